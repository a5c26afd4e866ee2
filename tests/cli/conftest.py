"""The world of a `pyops` test: a small template in a git repository, and the command run in this process."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyops_cli import main

ROOT = Path(__file__).parents[2]
TREE = {
    "copier.yml": (ROOT / "copier.yml").read_text(),
    "template/{{_copier_conf.answers_file}}.jinja": "{{ _copier_answers | to_nice_yaml -}}\n",
    "template/pyproject.toml.jinja": '[project]\nname = "{{ project_name }}"\ndependencies = []\n'
    '[dependency-groups]\ncore = ["jinja2>=3"]\n',
    "template/README.md.jinja": "# {{ title }}\n",
    "template/app/main.py": "app = 'starter'\n",
    "template/core/__init__.py": "",
    "examples/shop/app/main.py": "app = 'shop'\n",
    "examples/shop/tests/test_shop.py": "",
    "examples/shop/migrations/0001_shop.py": "",
    "examples/shop/core/__init__.py": "# not taken\n",
    "examples/shop/pyproject.toml": '[project]\nname = "shop"\ndependencies = ["boto3>=1", "humanize"]\n',
    ".gitignore": "*.db\n",
}

Write = Callable[[Path, dict[str, str]], Path]
Git = Callable[..., str]
Pyops = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with a git identity and no settings of whoever runs the tests."""
    gitconfig = tmp_path / "gitconfig"
    gitconfig.write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n")
    for name in ("PYOPS_TEMPLATE", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "GIT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(gitconfig))
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COPIER_CACHE_DIR", str(tmp_path / "mirrors"))
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def write() -> Write:
    """Write a tree of files."""

    def write_tree(folder: Path, tree: dict[str, str]) -> Path:
        for name, text in tree.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return write_tree


@pytest.fixture
def git() -> Git:
    """Git's output in a folder."""

    def run(folder: Path, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


@pytest.fixture
def template(tmp_path: Path, write: Write, git: Git) -> Path:
    """A template repository with one example and no tag."""
    repository = write(tmp_path / "template", TREE)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "Begin")
    return repository


@pytest.fixture
def pyops(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pyops]:
    """Run `pyops ARGUMENTS` in this process."""

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["pyops", *words])
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main.run()
            except SystemExit as end:
                code = int(end.code or 0)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    handler = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def pyops_process() -> Pyops:
    """Run `pyops ARGUMENTS` as a process: for commands that become another program."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "pyops_cli", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            check=False,
        )

    return run
