"""The straight update: a year of one user's work and one newer version, with Copier itself and nobody's trust."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
import tomllib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
USERS_FOLDERS = ("app", "tests", "migrations")
REVISIONS = "core/migrations/versions"
LAST = max(file.name[:4] for file in (ROOT / "template" / REVISIONS).glob("[0-9]*.py"))
NEXT = f"{int(LAST) + 1:04d}"

# What version 0.1.0 has beside the template as it lies here: something to remove.
FIRST = {"core/old.py": '"""Removed by the next version."""\n', "app/starter_of_old.py": ""}
# What version 0.2.0 says instead, …
CHANGED = {
    "compose.yaml": ("stop_grace_period: 30s", "stop_grace_period: 45s"),
    "Dockerfile": ("--start-period=20s", "--start-period=40s"),
    ".gitignore": (".ruff_cache/", ".ruff_cache/\n.hypothesis/"),
    ".dockerignore": (".ruff_cache", ".ruff_cache\n.hypothesis"),
    ".env.example": ("# SESSION_DAYS=14", "# GREETING=                          # new\n# SESSION_DAYS=14"),
    "conftest.py": ("see core/testing.py", "see core/testing.py and docs"),
    "pyproject.toml.jinja": (
        'core = [\n    "alembic>=1.20,<2",',
        'core = [\n    "alembic>=1.20.1,<2",\n    "anyio>=4",',
    ),
    "core/errors.py": ('"""Every error', '"""Newer: every error'),
    "core/auth.py": ("    is_active: bool = True\n", '    is_active: bool = True\n    later: str = ""\n'),
    "README.md.jinja": ("## Run it", "## Run the newer one"),
    "app/main.py": ("Your tool", "Your newer tool"),
    "app/services/pages.py": ("Services", "Newer services"),
    "tests/test_tool.py": ("The tool as a whole", "The newer tool as a whole"),
    "migrations/README.md": ("Revisions", "Newer revisions"),
}
# … what it adds, …
ADDED = {
    "core/notes.py": '''"""Notes: new in this version."""

from sqlmodel import Field, SQLModel


class Note(SQLModel, table=True):
    """One note about a user."""

    __tablename__ = "core_note"

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="core_user.id", ondelete="CASCADE")
    text: str
''',
    f"{REVISIONS}/{NEXT}_later.py": '''"""later."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "NEXT"
down_revision = "LAST"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("core_user", recreate="always") as batch_op:
        batch_op.add_column(sa.Column("later", sqlmodel.AutoString(), nullable=False, server_default=""))
        batch_op.alter_column("name", type_=sqlmodel.AutoString(length=200))
    op.create_table(
        "core_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("text", sqlmodel.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["core_user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
'''.replace("NEXT", NEXT).replace("LAST", LAST),
    "app/hosts/__init__.py": '"""A new starter."""\n',
    "app/hosts/index.html": "",
    "tests/test_newer.py": "",
    "migrations/0002_hosts.py": "",
}
# … and what it no longer has: a core file, and starters.
REMOVED = ["core/old.py", "app/starter_of_old.py", "app/services/edit.html", "migrations/0001_services.py"]

# The user's own work. What it replaces in a shared file is another line than the new version's.
EDITED = {
    "compose.yaml": ("      LOG_FORMAT:\n", "      LOG_FORMAT:\n      CHECK_TIMEOUT_S: 2\n"),
    "Dockerfile": ("EXPOSE 8000", "RUN python -c 'import sqlite3'\nEXPOSE 8000"),
    ".gitignore": ("/data/", "/data/\n/reports/"),
    "pyproject.toml": ("dependencies = []", 'dependencies = [\n    "idna>=3.10",\n]'),
    "app/main.py": ("Your tool", "Our tool"),
    "app/services/pages.py": ("Services", "Our services"),
    "app/services/models.py": (
        '    problem: str = ""\n',
        '''    problem: str = ""


class Favourite(SQLModel, table=True):
    """A service that a user likes to see first."""

    id: int | None = Field(default=None, primary_key=True)
    service_id: int = Field(foreign_key="service.id", ondelete="CASCADE")
    user_id: int = Field(foreign_key="core_user.id", ondelete="CASCADE")
''',
    ),
    "tests/test_tool.py": ("The tool as a whole", "Our tool as a whole"),
    "README.md": ("## Run it", "## Run ours"),
}
MINE = {
    "app/notes/__init__.py": '"""Not a feature yet."""\n',
    "scripts/report.sh": "#!/bin/sh\n",
    "compose.override.yaml": "services: {}\n",
    "uv.lock": "version = 1\n",
}
NEVER_COMMITTED = {".env": "TOOL_NAME=Ours\n", "data/secret.txt": "mine\n", "reports/may.csv": "1,2\n"}
ROWS = [
    "INSERT INTO core_session VALUES ('f1', 1, '2026-01-01', '2026-01-01', '2036-01-01', '', '')",
    "INSERT INTO service (id, name, url, owner, problem) VALUES (1, 'web', 'https://example.com', 'ops', '')",
    "INSERT INTO favourite VALUES (1, 1, 1), (2, 1, 2)",
]
KEPT = {"core_user": 2, "core_token": 1, "core_session": 1, "core_sign_in_link": 2, "service": 1, "favourite": 2}


@dataclass(frozen=True)
class World:
    """A template at two versions, and a project that went from one to the other."""

    template: Path
    project: Path
    born: dict[str, bytes]
    before: dict[str, bytes]
    update: "subprocess.CompletedProcess[str]"


def run(*command: str | Path, cwd: Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """A process of its own without a terminal, and without what this test's own process was told."""
    ours = {"PYTHONPATH", "DATA_DIR", "DATABASE_URL", "PYTEST_ADDOPTS"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    words = [str(word) for word in command]
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    done = subprocess.run(words, cwd=cwd, env=environment, check=False, **streams)
    assert done.returncode == 0 or not check, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def core(project: Path, *arguments: str, check: bool = True) -> str:
    """What the project's own `python -m core …` says."""
    done = run(sys.executable, "-m", "core", *arguments, cwd=project, check=check)
    return done.stdout + done.stderr


def copier_update(project: Path) -> "subprocess.CompletedProcess[str]":
    """`copier update` as anybody runs it: no `--trust`, no terminal."""
    return run(sys.executable, "-m", "copier", "update", "--defaults", cwd=project, check=False)


def commit(folder: Path, subject: str) -> None:
    """Commit everything, as the user or as the template's maker."""
    run("git", "init", "-q", cwd=folder)
    run("git", "add", "-A", cwd=folder)
    run("git", *AUTHOR, "commit", "-qm", subject, cwd=folder)


def write(folder: Path, tree: dict[str, str]) -> None:
    """Write a tree of files."""
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def edit(folder: Path, edits: dict[str, tuple[str, str]]) -> None:
    """Replace a text in files; it must be there."""
    for name, (old, new) in edits.items():
        text = (folder / name).read_text()
        assert old in text, f"{name} has no {old!r}: choose another edit"
        (folder / name).write_text(text.replace(old, new, 1))


def files(folder: Path) -> dict[str, bytes]:
    """A folder's files, without git's and Python's own."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in found}
    return {n: p.read_bytes() for n, p in names.items() if not n.startswith(".git/") and "__pycache__" not in n}


def first_version(folder: Path) -> Path:
    """A template repository with the template as it lies here, tagged v0.1.0."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", "copier.yml", "template", cwd=ROOT).stdout
    for name in filter(lambda name: (ROOT / name).is_file(), listed.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    write(folder / "template", FIRST)
    commit(folder, "First")
    run("git", "tag", "v0.1.0", cwd=folder)
    return folder


def second_version(repository: Path) -> None:
    """Change, add and remove; tagged v0.2.0."""
    edit(repository / "template", CHANGED)
    write(repository / "template", ADDED)
    for name in REMOVED:
        (repository / "template" / name).unlink()
    commit(repository, "Second")
    run("git", "tag", "v0.2.0", cwd=repository)


def pyops_new(template: Path, project: Path) -> None:
    """A project of version 0.1.0, as the command makes it."""
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from pyops_cli.main import run; run()",
    ]
    run(*command, "new", project, "--defaults", "--template", template, "--ref", "v0.1.0", cwd=project.parent)


def a_year_of_work(project: Path) -> None:
    """The user's commits, and a database that the old version made and filled."""
    write(project, MINE)
    edit(project, EDITED)
    core(project, "migrate")
    core(project, "migrate", "--new", "favourites")
    core(project, "migrate")
    commit(project, "Like services")
    core(project, "users", "add", "ada", "--role", "admin")
    core(project, "users", "add", "grace")
    core(project, "token", "create")
    with closing(sqlite3.connect(project / "data/app.db")) as database, database:
        for statement in ROWS:
            database.execute(statement)
    write(project, NEVER_COMMITTED)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A project of v0.1.0 with a year of its user's work, updated to v0.2.0."""
    folder = tmp_path_factory.mktemp("update")
    template, project = first_version(folder / "template"), folder / "my-tool"
    pyops_new(template, project)
    born = files(project)
    a_year_of_work(project)
    before = files(project)
    second_version(template)
    began = time.monotonic()
    updated = copier_update(project)
    print(f"copier update of {len(born)} files: {time.monotonic() - began:.1f} s")
    return World(template, project, born, before, updated)


@pytest.fixture
def project(world: World, tmp_path: Path) -> Path:
    """The updated project, committed: a copy to change."""
    folder = shutil.copytree(world.project, tmp_path / "my-tool", symlinks=True)
    commit(folder, "Update")
    return folder


@pytest.fixture(scope="module")
def migrated(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The updated project after its `migrate`: a copy to look at."""
    folder = shutil.copytree(world.project, tmp_path_factory.mktemp("migrated") / "my-tool", symlinks=True)
    said = core(folder, "migrate")
    assert (f"core: {NEXT}" in said, "app: up to date" in said) == (True, True), said
    return folder


def rows(database: Path, table: str) -> int:
    """How many rows a table has."""
    with closing(sqlite3.connect(database)) as opened:
        return int(opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def tables(database: Path) -> set[str]:
    """The names of a database's tables."""
    with closing(sqlite3.connect(database)) as opened:
        return {str(name) for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_plain_copier_makes_the_same_project(world: World, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "copier", "copy", "--defaults", "--vcs-ref", "v0.1.0", str(world.template)]
    run(*command, tmp_path / "my-tool", cwd=tmp_path)
    assert files(tmp_path / "my-tool") == world.born


def test_the_update_needs_no_trust_no_terminal_and_leaves_no_conflict(world: World) -> None:
    assert (world.update.returncode, "onflict" in world.update.stderr) == (0, False), world.update.stderr
    assert run("git", "ls-files", "--unmerged", cwd=world.project).stdout == ""
    assert [name for name, text in files(world.project).items() if b"<<<<<<<" in text or name.endswith(".rej")] == []


def test_exactly_this_changed(world: World) -> None:
    changed = run("git", "status", "--porcelain", cwd=world.project).stdout.splitlines()
    expected = {
        *(f" M {name.removesuffix('.jinja')}" for name in CHANGED if not name.startswith((*USERS_FOLDERS, "README"))),
        " M .copier-answers.yml",
        " D core/old.py",
        "?? core/notes.py",
        f"?? {REVISIONS}/{NEXT}_later.py",
    }
    assert set(changed) == expected


def test_core_is_the_new_versions(world: World) -> None:
    assert files(world.project / "core") == files(world.template / "template/core")


def test_what_is_the_users_is_theirs_byte_for_byte(world: World) -> None:
    after, before = files(world.project), world.before
    shared = {name.removesuffix(".jinja") for name in CHANGED} | {".copier-answers.yml"}
    users = {name for name in before if name.startswith(USERS_FOLDERS) or name not in shared}
    mine = {name for name in users | {"README.md"} if not name.startswith("core/")}
    assert {"app/starter_of_old.py", "app/services/edit.html", ".env", "data/app.db", "uv.lock", *MINE} <= mine
    assert [name for name in sorted(mine) if after.get(name) != before[name]] == []


def test_no_starter_of_the_new_version_is_born(world: World) -> None:
    born = files(world.project).keys() - world.before.keys()
    assert born == {"core/notes.py", f"{REVISIONS}/{NEXT}_later.py"}


@pytest.mark.parametrize("name", ["compose.yaml", "Dockerfile", ".gitignore"])
def test_shared_files_say_what_both_wrote(world: World, name: str) -> None:
    merged = (world.project / name).read_text()
    assert CHANGED[name][1] in merged
    assert EDITED[name][1] in merged


def test_the_dependencies_of_both_land(world: World) -> None:
    merged = tomllib.loads((world.project / "pyproject.toml").read_text())
    assert merged["project"]["dependencies"] == ["idna>=3.10"]
    assert {"alembic>=1.20.1,<2", "anyio>=4"} <= set(merged["dependency-groups"]["core"])


def test_the_answers_name_the_new_version(world: World) -> None:
    answers = yaml.safe_load((world.project / ".copier-answers.yml").read_text())
    assert (answers["_commit"], answers["_src_path"]) == ("v0.2.0", str(world.template))


def test_a_second_update_changes_nothing(project: Path) -> None:
    again = copier_update(project)
    assert (again.returncode, run("git", "status", "--porcelain", cwd=project).stdout) == (0, "")


def test_the_new_version_asks_for_its_migration_first(project: Path) -> None:
    assert f"core migrations are pending: {NEXT}" in core(project, "get", "/-/ready", check=False)


def test_the_old_database_follows_with_every_row(migrated: Path) -> None:
    database = migrated / "data/app.db"
    assert {table: rows(database, table) for table in KEPT} == KEPT
    assert rows(database, "core_note") == 0
    assert '"ok"' in core(migrated, "get", "/-/ready")
    assert "grace" in core(migrated, "users", "list")


def test_a_snapshot_of_the_old_database_stays(world: World, migrated: Path) -> None:
    [snapshot] = {
        path
        for path in (migrated / "data/backups").iterdir()
        if not (world.project / "data/backups" / path.name).exists()
    }
    assert rows(snapshot, "favourite") == KEPT["favourite"]
    assert tables(snapshot) == tables(world.project / "data/app.db") == tables(migrated / "data/app.db") - {"core_note"}


def test_the_constraints_of_the_old_database_still_hold(migrated: Path, tmp_path: Path) -> None:
    copy = shutil.copy(migrated / "data/app.db", tmp_path)
    with closing(sqlite3.connect(copy)) as database:
        database.execute("PRAGMA foreign_keys=ON")
        database.execute("DELETE FROM core_user WHERE id = 1")
        assert database.execute("SELECT count(*) FROM favourite").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM core_session").fetchone() == (0,)
        with pytest.raises(sqlite3.IntegrityError):
            database.execute("INSERT INTO favourite VALUES (9, 1, 99)")
        with pytest.raises(sqlite3.IntegrityError):
            columns = "name, role, password_hash, is_active, created_at, later"
            database.execute(f"INSERT INTO core_user (id, {columns}) SELECT 9, {columns} FROM core_user")


@pytest.mark.slow
def test_the_updated_projects_own_tests_pass(project: Path) -> None:
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project, check=False)
    assert done.returncode == 0, done.stdout
