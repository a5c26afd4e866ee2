"""A generated project on disk: where it begins, and the environment that uv makes for it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pyops_cli.errors import CommandError, Interrupted

ANSWERS_FILE = ".copier-answers.yml"
ENVIRONMENT = ".venv"
INSTALLED_MARKER = ".pyops-installed"  # a first installation that broke off halfway leaves none

# Set for other environments than the project's: an activated one, a container's, this command's own.
FOREIGN = (
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PROJECT",
    "UV_WORKING_DIRECTORY",
    "UV_ACTIVE",
    "PYTHONHOME",
    "__PYVENV_LAUNCHER__",
)


def find_root(start: Path) -> Path:
    """The project that a folder belongs to."""
    for folder in (start, *start.parents):
        if _is_project(folder):
            return folder
    raise CommandError(
        f"{start} is in no PyOps project (no folder above it has {ANSWERS_FILE} and core/):"
        " go into one, or make one with: pyops new my-tool"
    )


def _is_project(folder: Path) -> bool:
    """Whether enough of a project is here; what is gone, such as core/ itself, may be what is to be brought back."""
    has_answers, pyproject = (folder / ANSWERS_FILE).is_file(), folder / "pyproject.toml"
    if (folder / "core").is_dir():
        return has_answers or pyproject.is_file()
    return has_answers and pyproject.is_file() and "[tool.pyops]" in pyproject.read_text("utf-8", errors="replace")


def python_of(root: Path) -> Path:
    """The project's interpreter, whether or not it is there yet."""
    return root / ENVIRONMENT / "bin" / "python"


def install(root: Path) -> None:
    """Install what pyproject.toml and uv.lock say; when that fails, go on with what was installed before."""
    marker = root / ENVIRONMENT / INSTALLED_MARKER
    if marker.exists():
        _refresh(root)
        return
    print(f"Installing what {root.name} needs; the first time takes a moment.", file=sys.stderr, flush=True)
    if _sync(root, quiet=False).returncode != 0:
        raise CommandError("uv could not install it (its reason is above): put that right and run this again.")
    marker.touch()


def _refresh(root: Path) -> None:
    done = _sync(root, quiet=True)
    if done.returncode != 0:
        why = done.stderr.decode(errors="replace").strip()
        print(
            f"{why}\npyops: uv could not install what is new; going on with what is installed.",
            file=sys.stderr,
        )


def _sync(root: Path, *, quiet: bool) -> subprocess.CompletedProcess[bytes]:
    command = [_uv(), "sync", "--inexact", *_interpreter(root), *(["--quiet"] if quiet else [])]
    try:
        return subprocess.run(
            command, cwd=root, env=surroundings(), stderr=subprocess.PIPE if quiet else None, check=False
        )
    except KeyboardInterrupt as error:
        raise Interrupted("Stopped.") from error


def run(root: Path, arguments: Sequence[str]) -> NoReturn:
    """Become the project's Python: its output, its signals and its exit code are the command's."""
    python = python_of(root)
    env = surroundings()
    env["VIRTUAL_ENV"] = str(root / ENVIRONMENT)
    env["PATH"] = os.pathsep.join([str(python.parent), env.get("PATH", os.defpath)])
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(python, [str(python), *arguments], env)


def surroundings() -> dict[str, str]:
    """This process's environment without what belongs to other Python environments."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


def uv(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run uv in the project; what it says is kept."""
    words = [_uv(), *arguments, *_interpreter(root)]
    return subprocess.run(words, cwd=root, env=surroundings(), capture_output=True, text=True, check=False)


def _interpreter(root: Path) -> list[str]:
    """The Python that a new environment is built on: the one chosen, else this command's own."""
    is_chosen = (root / ".python-version").exists() or "UV_PYTHON" in os.environ
    if is_chosen or python_of(root).exists():
        return []
    return ["--python", os.path.realpath(getattr(sys, "_base_executable", sys.executable))]


def _uv() -> str:
    from uv import find_uv_bin

    try:
        return str(find_uv_bin())
    except FileNotFoundError as error:
        raise CommandError("uv is missing beside pyops: install pyops again.") from error
