"""Who owns what on an update: the real copier.yml over small templates."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import copier
import pytest

ROOT = Path(__file__).parents[2]

Write = Callable[[Path, dict[str, str]], Path]
Commit = Callable[[Path, str], None]

USERS = [
    "app/main.py",
    "app/hosts/pages.py",
    "tests/test_tool.py",
    "migrations/0001_hosts.py",
    "README.md",
    ".env",
    "uv.lock",
    "compose.override.yaml",
]
FIRST = {
    "copier.yml": (ROOT / "copier.yml").read_text(),
    "template/{{_copier_conf.answers_file}}.jinja": "{{ _copier_answers | to_nice_yaml -}}\n",
    "template/pyproject.toml.jinja": "# 1\n\n\n\n\n\n\ndependencies = []\n",
    "template/core/pages.py": "# 1\n",
    "template/core/gone.py": "# 1\n",
    **{f"template/{name}": "# 1\n" for name in USERS},
}
NEVER_RENDERED = [
    "core/__pycache__/pages.cpython-311.pyc",
    "core/old.pyc",
    "data/app.db",
    ".venv/pyvenv.cfg",
    ".mypy_cache/x",
    ".pytest_cache/x",
    ".ruff_cache/x",
    ".env",
    "uv.lock",
    "compose.override.yaml",
]


@pytest.fixture
def template(tmp_path: Path, write: Write, commit: Commit) -> Path:
    """A template at v1."""
    folder = write(tmp_path / "template", FIRST)
    commit(folder, "v1")
    return folder


@pytest.fixture
def project(tmp_path: Path, template: Path, write: Write, commit: Commit) -> Path:
    """A project of v1 in which the user wrote everything that is the user's."""
    folder = tmp_path / "my-tool"
    copier.run_copy(str(template), folder, defaults=True, quiet=True)
    write(folder, dict.fromkeys(USERS, "# mine\n"))
    commit(folder, "Write")
    return folder


def update(project: Path) -> None:
    copier.run_update(project, defaults=True, overwrite=True, quiet=True)


def recopy(project: Path) -> None:
    copier.run_recopy(project, defaults=True, overwrite=True, quiet=True)


def release(template: Path, tree: dict[str, str], *, write: Write, commit: Commit) -> None:
    write(template, tree)
    commit(template, "v2")


def kept(project: Path) -> list[str]:
    return [name for name in USERS if (project / name).is_file() and (project / name).read_text() == "# mine\n"]


@pytest.mark.parametrize("again", [update, recopy])
def test_what_is_the_users_stays_the_users(
    project: Path, template: Path, write: Write, commit: Commit, again: Callable[[Path], None]
) -> None:
    release(template, {f"template/{name}": "# 2\n" for name in USERS}, write=write, commit=commit)
    again(project)
    assert kept(project) == USERS


def test_the_users_files_outlive_their_templates(project: Path, template: Path, write: Write, commit: Commit) -> None:
    shutil.rmtree(template / "template")
    release(template, {"template/core/pages.py": "# 2\n"}, write=write, commit=commit)
    update(project)
    assert kept(project) == USERS


def test_what_the_user_removed_stays_removed(project: Path, template: Path, write: Write, commit: Commit) -> None:
    shutil.rmtree(project / "app")
    (project / "README.md").unlink()
    commit(project, "Remove")
    release(template, {f"template/{name}": "# 2\n" for name in USERS}, write=write, commit=commit)
    update(project)
    assert not (project / "app").exists() and not (project / "README.md").exists()


def test_an_update_adds_nothing_to_the_users_folders(
    project: Path, template: Path, write: Write, commit: Commit
) -> None:
    new = {"template/app/new.py": "", "template/tests/new/test_new.py": "", "template/migrations/0002.py": ""}
    release(template, new, write=write, commit=commit)
    update(project)
    assert list(project.rglob("*new*")) + list(project.rglob("0002*")) == []


def test_core_is_replaced(project: Path, template: Path, write: Write, commit: Commit) -> None:
    (template / "template/core/gone.py").unlink()
    release(template, {"template/core/pages.py": "# 2\n", "template/core/new.py": ""}, write=write, commit=commit)
    update(project)
    assert (project / "core/pages.py").read_text() == "# 2\n"
    assert sorted(file.name for file in (project / "core").iterdir()) == ["new.py", "pages.py"]


def test_shared_files_are_merged(project: Path, template: Path, write: Write, commit: Commit) -> None:
    text = (project / "pyproject.toml").read_text()
    write(project, {"pyproject.toml": text.replace("[]", '["boto3"]')})
    commit(project, "Add boto3")
    release(template, {"template/pyproject.toml.jinja": text.replace("# 1", "# 2")}, write=write, commit=commit)
    update(project)
    assert (project / "pyproject.toml").read_text() == '# 2\n\n\n\n\n\n\ndependencies = ["boto3"]\n'


def test_an_update_of_an_untouched_project_is_clean(
    project: Path, template: Path, write: Write, commit: Commit
) -> None:
    release(template, {"template/core/pages.py": "# 2\n"}, write=write, commit=commit)
    update(project)
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True)
    assert changed.stdout.split() == ["M", ".copier-answers.yml", "M", "core/pages.py"]


def test_caches_data_and_secrets_are_never_rendered(
    tmp_path: Path, template: Path, write: Write, commit: Commit
) -> None:
    release(template, {f"template/{name}": "x" for name in NEVER_RENDERED}, write=write, commit=commit)
    copier.run_copy(str(template), tmp_path / "fresh", defaults=True, quiet=True)
    assert [name for name in NEVER_RENDERED if (tmp_path / "fresh" / name).exists()] == []
