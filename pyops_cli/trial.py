"""Is an updated project sound: its lock, a copy of its database migrated, its tests."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pyops_cli import project
from pyops_cli.errors import CommandError

NO_TESTS = 5  # pytest's exit code when there are none
TOLD_LINES = 12

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """Which parts of the trial somebody asked for."""

    lock: bool = True
    tests: bool = True


def run(root: Path, wanted: Wanted, *, tell: Tell) -> bool:
    """Lock, install, migrate a copy, test; False when the project is not sound. No network is a notice."""
    if wanted.lock:
        relock(root, tell=tell)
    if not wanted.tests:
        return True
    try:
        project.install(root)
    except CommandError as error:
        tell(f"Nothing was tried, for what the project needs is not installed: {error}")
        return True
    return migrate_copy(root, tell=tell) and test(root, tell=tell)


def relock(root: Path, *, tell: Tell) -> None:
    """Let uv.lock fit pyproject.toml again; a project without a lock gets its first from `pyops dev`."""
    if not (root / "uv.lock").is_file():
        return
    done = project.uv(root, "lock", "--quiet")
    if done.returncode != 0:
        tell(f"uv.lock is as it was, for uv could not make it anew; later: uv lock. Its reason:\n{_last(done.stderr)}")


def migrate_copy(root: Path, *, tell: Tell) -> bool:
    """Migrate a copy of the project's SQLite database; True when that works or there is none."""
    with copied_database(root, tell=tell) as env:
        if env is None:
            return True
        done = _python(root, "-m", "core", "migrate", env=env)
    if done.returncode != 0:
        tell(f"A copy of the database cannot be migrated:\n{_last(done.stdout)}")
    return done.returncode == 0


def test(root: Path, *, tell: Tell) -> bool:
    """Run the project's tests; True when they pass or there are none."""
    done = _python(root, "-m", "pytest", "-q", env={})
    if done.returncode in (0, NO_TESTS):
        return True
    tell(f"The project's tests fail:\n{_last(done.stdout)}")
    return False


@contextmanager
def copied_database(root: Path, *, tell: Tell) -> Iterator[dict[str, str] | None]:
    """The settings with which core works on a copy of the database; None without a database that can be copied."""
    settings = configured(root)
    url = settings.get("DATABASE_URL", "")
    if url and not url.startswith("sqlite:///"):
        tell("The database is no SQLite file, so no copy of it was migrated: try the update beside a copy of it.")
        yield None
        return
    data = data_folder(root)
    file = root / url.removeprefix("sqlite:///") if url else data / "app.db"
    if not file.is_file():
        yield None
        return
    with TemporaryDirectory(prefix="pyops-data-") as folder:
        try:
            copy_database(file, Path(folder) / "app.db")
            for key in data.glob("*.key"):
                shutil.copy2(key, folder)
        except (OSError, sqlite3.Error) as error:
            tell(f"{file} cannot be copied ({error}), so no copy of it was migrated: see to it before you deploy.")
            yield None
            return
        yield {"DATA_DIR": folder, "DATABASE_URL": f"sqlite:///{folder}/app.db"}


def copy_database(file: Path, copy: Path) -> None:
    """Copy a SQLite database as one moment, also while somebody writes to it."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as source, closing(sqlite3.connect(copy)) as to:
        source.backup(to)


def configured(root: Path) -> dict[str, str]:
    """What is set for the project, by upper-case names: `.env`, and over it the environment."""
    return env_file(root) | {name.upper(): value for name, value in os.environ.items() if value}


def env_file(root: Path) -> dict[str, str]:
    """What `.env` sets, by upper-case names; as core reads it, near enough to know what is set."""
    file, found = root / ".env", {}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip().isidentifier():  # no comment, and no line of a value that goes on
            found[name.strip().upper()] = value.split(" #")[0].strip().strip("\"'")
    return found


def data_folder(root: Path) -> Path:
    """Where the project keeps its data."""
    return root / configured(root).get("DATA_DIR", "data")


def _python(root: Path, *words: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    sys.stderr.flush()
    return subprocess.run(
        [str(project.python_of(root)), *words],
        cwd=root,
        env={**project.surroundings(), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _last(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-TOLD_LINES:])
