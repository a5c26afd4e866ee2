"""The real template rendered once, and small histories of it to update along."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import copier
import pytest

ROOT = Path(__file__).parents[2]

Write = Callable[[Path, dict[str, str]], Path]
Commit = Callable[[Path, str], None]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it lies here, rendered with every default and without trust."""
    folder = tmp_path_factory.mktemp("rendered") / "my-tool"
    copier.run_copy(str(ROOT), folder, vcs_ref="HEAD", defaults=True, quiet=True)
    return folder


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
def commit() -> Commit:
    """Commit a folder as it lies, made a repository if it is none; a subject like v1 tags it too."""

    def commit_all(folder: Path, subject: str) -> None:
        author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        for words in (["init", "-q"], ["add", "-A", "-f"], [*author, "commit", "-qm", subject]):
            subprocess.run(["git", *words], cwd=folder, check=True)
        if subject.startswith("v"):
            subprocess.run(["git", "tag", subject], cwd=folder, check=True)

    return commit_all
