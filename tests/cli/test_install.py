"""The whole way on a bare machine: install the command, make a project, install what it needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.network]


def output(*command: str | Path, cwd: Path, **environment: str) -> str:
    words = [str(word) for word in command]
    env = {**os.environ, **environment}
    done = subprocess.run(words, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository with whatever is not committed yet."""
    folder = tmp_path_factory.mktemp("clone") / "pyops"
    listed = output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    output("git", "init", "-q", cwd=folder)
    output("git", "add", "-A", cwd=folder)
    output("git", *author, "commit", "-qm", "Begin", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def pyops(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed by pip from git into an environment of its own."""
    folder = tmp_path_factory.mktemp("installed")
    output(sys.executable, "-m", "uv", "venv", "-q", "--seed", folder / "venv", cwd=folder)
    output(folder / "venv/bin/python", "-m", "pip", "install", "-q", f"git+{clone.as_uri()}", cwd=folder)
    return folder / "venv/bin/pyops"


def test_a_command_installed_from_git_makes_projects_of_that_commit(pyops: Path, clone: Path, workplace: Path) -> None:
    output(pyops, "new", "my-tool", "--defaults", cwd=workplace)
    answers = yaml.safe_load((workplace / "my-tool/.copier-answers.yml").read_text())
    assert answers["_src_path"] == str(clone)
    assert output("git", "rev-parse", "--short", "HEAD", cwd=clone) == str(answers["_commit"])


def test_a_new_project_installs_what_core_needs(pyops: Path, workplace: Path) -> None:
    output(pyops, "new", "my-tool", "--defaults", cwd=workplace)
    (workplace / "my-tool/core").mkdir(exist_ok=True)
    assert output(pyops, "test", "--version", cwd=workplace / "my-tool").startswith("pytest ")
    imports = "import alembic, apscheduler, argon2, fastapi, httpx2, sqlmodel, structlog, uvicorn"
    output(".venv/bin/python", "-c", imports, cwd=workplace / "my-tool")
    assert (workplace / "my-tool/uv.lock").is_file()
