"""A SQLite file made by each released version, and by the last commit, migrates forward with its rows."""

import os
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
