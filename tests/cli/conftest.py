"""The world of a `pyops` test: a small template in a git repository, and the command run in this process."""

import contextlib
import io
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyops_cli import main

ROOT = Path(__file__).parents[2]
# A root that may not write where nobody may: as a user of this machine runs the command.
AS_ANYBODY = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.getuid() == 0 else []
TREE = {
    "copier.yml": (ROOT / "copier.yml").read_text(),
    "template/{{_copier_conf.answers_file}}.jinja": "{{ _copier_answers | to_nice_yaml -}}\n",
    "template/pyproject.toml.jinja": '[project]\nname = "{{ project_name }}"\ndependencies = []\n'
    '[dependency-groups]\ncore = ["jinja2>=3"]\n[tool.pyops]\n',
    "template/README.md.jinja": "# {{ title }}\n",
    "template/app/main.py": "app = 'starter'\n",
    "template/core/__init__.py": "",
    "examples/shop/app/main.py": "app = 'shop'\n",
    "examples/shop/tests/test_shop.py": "",
    "examples/shop/migrations/0001_shop.py": "",
    "examples/shop/compose.override.yaml": "services: {}\n",
    "examples/shop/core/__init__.py": "# not taken\n",
    "examples/shop/pyproject.toml": '[project]\nname = "shop"\ndependencies = ["boto3>=1", "humanize"]\n',
    ".gitignore": "*.db\n",
}

LINES = "".join(f"line {number}\n" for number in range(1, 21))
FIRST = {
    "template/core/auth.py": LINES,
    "template/core/health.py": LINES.replace("line", "health"),
    "template/core/old.py": LINES.replace("line", "old"),
    "template/core/settings.py": "class Settings:\n    port: int\n    session_days: int\n",
    "template/core/migrations/versions/0001_first.py": "",
    "template/Dockerfile": LINES,
    "template/compose.yaml": LINES,
    "CHANGELOG.md": "# Changelog\n\n## 0.1.0\n\n- The first.\n",
}
SECOND = {
    "template/core/auth.py": LINES.replace("line 1\n", "line one\n"),
    "template/core/notes.py": "notes\n",
    "template/core/settings.py": "class Settings:\n    port: int\n    sign_in_days: int\n",
    "template/core/migrations/versions/0002_email.py": "",
    "template/Dockerfile": LINES.replace("line 20\n", "line twenty\n"),
    "template/app/main.py": "app = 'newer starter'\n",
    "template/pyproject.toml.jinja": '[project]\nname = "{{ project_name }}"\ndependencies = []\n'
    '[dependency-groups]\ncore = ["jinja2>=4", "anyio"]\n',
    "CHANGELOG.md": "# Changelog\n\n## 0.2.0\n\n### Added\n\n- Notes.\n\n### You must\n\n- Rename SESSION_DAYS\n"
    "  to SIGN_IN_DAYS.\n\n## 0.1.0\n\n- The first.\n",
}

Write = Callable[[Path, dict[str, str]], Path]
Git = Callable[..., str]
Pyops = Callable[..., "subprocess.CompletedProcess[str]"]
Release = Callable[..., None]
Edit = Callable[[dict[str, str]], None]


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

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


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


# ---- The world of an update: a template with versions, and a project of the first.


@pytest.fixture
def release(template: Path, write: Write, git: Git) -> Release:
    """Release a version of the small template: files written, removed, moved."""

    def commit(tag: str, tree: dict[str, str], *, gone: tuple[str, ...] = (), moved: tuple[str, ...] = ()) -> None:
        if moved:
            git(template, "mv", *moved)
        for name in gone:
            (template / name).unlink()
        write(template, tree)
        git(template, "add", "-A")
        git(template, "commit", "-qm", tag)
        git(template, "tag", tag)

    return commit


@pytest.fixture
def project(template: Path, release: Release, pyops: Pyops, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of version 0.1.0, where one stands in it."""
    release("v0.1.0", FIRST)
    assert pyops("new", "my-tool", "--template", template, "--ref", "v0.1.0", "--defaults").returncode == 0
    monkeypatch.chdir(workplace / "my-tool")
    return workplace / "my-tool"


@pytest.fixture
def edit(project: Path, write: Write, git: Git) -> Edit:
    """Commit work of the user's."""

    def commit(tree: dict[str, str]) -> None:
        write(project, tree)
        git(project, "add", "-A", "-f")
        git(project, "commit", "-qm", "Work")

    return commit


@pytest.fixture
def update(pyops: Pyops) -> Pyops:
    """`pyops update`, the files only."""
    return lambda *arguments: pyops("update", "--no-lock", "--no-tests", *arguments)


def files(project: Path) -> dict[str, bytes]:
    """Every file of a project outside its repository."""
    found = (file for file in project.rglob("*") if file.is_file() and ".git" not in file.parts)
    return {str(file.relative_to(project)): file.read_bytes() for file in found}


MIGRATES = (
    "import os, pathlib, sqlite3, sys\n"
    "pathlib.Path('asked').write_text(os.environ['DATABASE_URL'])\n"
    "print(sqlite3.connect(os.environ['DATA_DIR'] + '/app.db').execute('SELECT count(*) FROM note').fetchone())\n"
    "sys.exit('core/broken' in os.listdir('.') or os.path.exists('core/broken'))\n"
)


@pytest.fixture
def tried(
    project: Path,
    template: Path,
    release: Release,
    edit: Edit,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A project that needs no package, with a database, where pytest and core are small programs."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    pyproject = '[project]\nname = "my-tool"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = []\n'
    ignored = ".venv/\n/data/\n/asked\n__pycache__/\nuv.lock\n"
    edit({"pyproject.toml": pyproject, "pytest.py": "print('ran')\n", ".gitignore": ignored})
    (project / "data").mkdir()
    with sqlite3.connect(project / "data/app.db") as database:
        database.execute("CREATE TABLE note (id)")
    database.close()
    release("v0.2.0", {"template/core/__main__.py": MIGRATES})
    return project
