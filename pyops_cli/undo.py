"""What is kept beside the repository while an update is under way, so that one command brings back every byte."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pyops_cli.errors import Refused
from pyops_cli.git import git, is_dirty, top_level

PLACE = "pyops-update"
STATE = "state.json"


@dataclass
class Undo:
    """The project before an update: where its HEAD was, and the files that the update writes."""

    root: str
    at: str
    to: str
    head: str
    branch: str | None  # checked out before; None when HEAD was detached
    new_branch: str | None
    paths: list[str]
    commit: str | None = None  # what this command committed


def begin(root: Path, undo: Undo) -> None:
    """Keep a copy of every file that will be written, then the record that makes it count."""
    home = _home(root)
    shutil.rmtree(home, ignore_errors=True)
    for path in undo.paths:
        _copy(root / path, home / "before" / path)
    home.mkdir(parents=True, exist_ok=True)
    save(root, undo)


def save(root: Path, undo: Undo) -> None:
    """Write the record."""
    (_home(root) / STATE).write_text(json.dumps(asdict(undo), indent=1))


def load(root: Path) -> Undo | None:
    """The update under way in this project, or the last one."""
    try:
        undo = Undo(**json.loads((_home(root) / STATE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return undo if undo.root == str(root) else None


def abort(root: Path) -> Undo:
    """Put everything back as it was before the update; Refused when it was followed by commits."""
    undo = load(root)
    if undo is None:
        raise Refused("No update was begun here, so there is nothing to take back.")
    head = git("rev-parse", "HEAD", cwd=root).strip()
    if head not in (undo.head, undo.commit):
        raise Refused(f"There are commits since the update: take it back with git, to {undo.head[:10]}.")
    if undo.commit == head and is_dirty(root):
        raise Refused("The update is committed, and there is work on top of it: commit or stash that first.")
    if undo.commit != head:
        restore(root, undo)
    if undo.new_branch and git("branch", "--show-current", cwd=root).strip() == undo.new_branch:
        git("switch", "--quiet", *([undo.branch] if undo.branch else ["--detach", undo.head]), cwd=root)
        git("branch", "--quiet", "-D", undo.new_branch, cwd=root)
    shutil.rmtree(_home(root))
    return undo


def restore(root: Path, undo: Undo) -> None:
    """Bring back the bytes of every file that the update wrote, and git's index for them."""
    for path in undo.paths:
        kept, file = _home(root) / "before" / path, root / path
        if kept.is_symlink() or kept.exists():
            file.unlink(missing_ok=True)
            _copy(kept, file)
        else:
            file.unlink(missing_ok=True)
            remove_empty(root, file.parent)
    unstage(root, undo.paths)


def unstage(root: Path, paths: Iterable[str]) -> None:
    """Let git's index say of these files what HEAD says."""
    list_of = _home(root) / "paths"
    list_of.write_text("\0".join(f":(literal){path}" for path in paths))
    git("reset", "--quiet", f"--pathspec-from-file={list_of}", "--pathspec-file-nul", cwd=root)


def remove_empty(root: Path, folder: Path) -> None:
    """Remove a folder that lost its last file, and those above it."""
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def prefix(root: Path) -> str:
    """Where the project lies in its repository, "" or with a slash at the end."""
    below = root.resolve().relative_to(top_level(root).resolve()).as_posix()
    return "" if below == "." else f"{below}/"


def _home(root: Path) -> Path:
    return Path(git("rev-parse", "--absolute-git-dir", cwd=root).strip()) / PLACE


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink() or source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
