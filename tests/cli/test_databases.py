"""A SQLite file of each released version, of each older revision of core, and of the last commit migrates forward
with its rows."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TAGS = subprocess.run(
    ["git", "tag", "--list", "v*"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()

OLDER = sorted(file.stem for file in (ROOT / "template/core/migrations/versions").glob("[0-9]*.py"))[:-1]
VALUES = {"INTEGER": 1, "BOOLEAN": 1, "JSON": "{}", "DATETIME": "2026-01-02 03:04:05.000000", "DATE": "2026-01-02"}

Rows = dict[str, list[dict[str, object]]]

pytestmark = pytest.mark.slow


def core(folder: Path, data: Path, *words: str) -> str:
    """A command of core on a data folder."""
    env = {**os.environ, "DATA_DIR": str(data)}
    done = subprocess.run([sys.executable, "-m", "core", *words], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(data: Path) -> list[str]:
    """The users in a database."""
    with closing(sqlite3.connect(data / "app.db")) as database:
        return [name for (name,) in database.execute("SELECT name FROM core_user ORDER BY name")]


@pytest.mark.parametrize("version", [*TAGS, "HEAD"])
def test_a_database_of_an_older_version_follows_with_its_rows(version: str, tmp_path: Path) -> None:
    archive = subprocess.run(["git", "archive", version, "template"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=tmp_path, input=archive, check=True)
    core(tmp_path / "template", tmp_path / "data", "migrate")
    core(tmp_path / "template", tmp_path / "data", "users", "add", "grace")
    core(ROOT / "template", tmp_path / "data", "migrate")
    assert names(tmp_path / "data") == ["grace"]
    assert "up to date" in core(ROOT / "template", tmp_path / "data", "migrate")


def fill(file: Path) -> None:
    """A row in every table of core: each value what its column takes, each reference to the first row."""
    with closing(sqlite3.connect(file)) as database, database:
        for table in sorted(rows(file)):
            about = database.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()
            names, values = zip(*[(f'"{name}"', VALUES.get(type_, f"a {name}")) for name, type_ in about], strict=True)
            marks = ", ".join("?" * len(values))
            database.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", values)


def rows(file: Path) -> Rows:
    """Every row of core's tables, but for the version."""
    with closing(sqlite3.connect(file)) as database:
        database.row_factory = sqlite3.Row
        listed = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'core_*'")
        tables = [name for (name,) in listed if name != "core_version"]
        return {name: [dict(row) for row in database.execute(f"SELECT * FROM {name}")] for name in tables}


@pytest.mark.parametrize("last", OLDER)
def test_a_database_of_an_older_revision_follows_with_every_value(last: str, tmp_path: Path) -> None:
    old = shutil.copytree(ROOT / "template", tmp_path / "old", ignore=shutil.ignore_patterns("data", "__pycache__"))
    for file in [file for file in (old / "core/migrations/versions").glob("[0-9]*.py") if file.stem > last]:
        file.unlink()
    file = tmp_path / "data/app.db"
    core(old, file.parent, "migrate")
    fill(file)
    before = rows(file)
    assert len(before) > 5 and all(map(len, before.values()))
    core(ROOT / "template", file.parent, "migrate")
    after = rows(file)
    kept = {table: [{name: row.get(name) for name in old} for row, old in zip(after[table], before[table], strict=True)]
            for table in before}  # fmt: skip
    assert kept == before
    assert "up to date" in core(ROOT / "template", file.parent, "migrate")
