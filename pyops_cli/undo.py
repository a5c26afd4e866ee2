"""What is kept beside the repository while an update is under way, so that one command brings back every byte."""

import fcntl
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from pyops_cli.errors import Refused
from pyops_cli.git import WITHOUT_HOOKS, git, top_level

PLACE = "pyops-update"
STATE = "state.json"


@dataclass
class Undo:
    """The project before an update: where its HEAD was, and the files that the update writes."""

    at: str
    to: str
    head: str
    branch: str | None  # checked out before; None when HEAD was detached
    new_branch: str | None
    paths: list[str]
    is_written: bool = False  # all of it; an update that was killed while it wrote can only be taken back
    commit: str | None = None  # what this command committed


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep other updates out of the repository; Refused when one is at work. The lock ends with its process."""
    with (_git_folder(root) / f"{PLACE}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused("Another pyops update is at work in this repository: wait until it is done.") from error
        yield


def begin(root: Path, undo: Undo) -> None:
    """Keep a copy of every file that will be written, then the record that makes it count."""
    home = _home(root)
    forget(root)
    try:
        for path in undo.paths:
            _copy(root / path, home / "before" / path)
        home.mkdir(parents=True, exist_ok=True)
        save(root, undo)
    except BaseException:  # such as a full disk: nothing is written yet, and the copies only take room
        forget(root)
        raise


def save(root: Path, undo: Undo) -> None:
    """Write the record, whole or not at all."""
    home = _home(root)
    (home / f"{STATE}.part").write_text(json.dumps(asdict(undo), indent=1))
    (home / f"{STATE}.part").replace(home / STATE)


def load(root: Path) -> Undo | None:
    """The update under way in this project, or the last one."""
    try:
        return Undo(**json.loads((_home(root) / STATE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def forget(root: Path) -> None:
    """Remove what is kept: the record first, for without the copies it would have files deleted."""
    home = _home(root)
    (home / STATE).unlink(missing_ok=True)
    shutil.rmtree(home, ignore_errors=True)


def abort(root: Path) -> Undo:
    """Put everything back as it was before the update; Refused when it was followed by commits."""
    undo = load(root)
    if undo is None:
        raise Refused("No update was begun here, so there is nothing to take back.")
    if undo.commit:
        _check_on_top(root, undo)
    elif git("rev-parse", "HEAD", cwd=root).strip() != undo.head:
        raise Refused(f"There are commits since the update: take it back with git, to {undo.head[:10]}.")
    else:
        restore(root, undo)
    if undo.new_branch:
        _leave(root, undo, undo.new_branch)
    forget(root)
    return undo


def restore(root: Path, undo: Undo) -> None:
    """Bring back the bytes of every file that the update wrote, and git's index for them."""
    home = _home(root)
    for path in undo.paths:
        kept, file = home / "before" / path, root / path
        file.unlink(missing_ok=True)
        if kept.is_symlink() or kept.exists():
            _copy(kept, file)
        else:
            remove_empty(root, file.parent)
    unstage(root, undo.paths)


def unstage(root: Path, paths: Iterable[str]) -> None:
    """Let git's index say of these files what HEAD says."""
    listed = "\0".join(f":(literal){path}" for path in paths).encode(errors="surrogateescape")
    git("reset", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul", cwd=root, stdin=listed)


def remove_empty(root: Path, folder: Path) -> None:
    """Remove a folder that lost its last file, and those above it."""
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def prefix(root: Path) -> str:
    """Where the project lies in its repository, "" or with a slash at the end."""
    below = root.resolve().relative_to(top_level(root).resolve()).as_posix()
    return "" if below == "." else f"{below}/"


def current_branch(root: Path) -> str | None:
    """The branch that is checked out; None when HEAD is detached."""
    return git("branch", "--show-current", cwd=root).strip() or None


def _check_on_top(root: Path, undo: Undo) -> None:
    """Refused unless the update's own commit is what is checked out, and nothing lies on top of it."""
    if current_branch(root) != undo.new_branch:
        raise Refused(
            f"The update is committed on the branch {undo.new_branch}, which is not checked out:"
            f" git branch -D {undo.new_branch} drops it; where it was merged, git revert takes it back."
        )
    if git("rev-parse", "HEAD", cwd=root).strip() != undo.commit:
        raise Refused(f"There are commits since the update: take it back with git, to {undo.head[:10]}.")
    if git("status", "--porcelain", "--", ".", cwd=root):
        raise Refused("The update is committed, and there is work on top of it: commit or stash that first.")


def _leave(root: Path, undo: Undo, new_branch: str) -> None:
    """Go back to where one was, and drop the update's branch."""
    if current_branch(root) == new_branch:
        back = [undo.branch] if undo.branch else ["--detach", undo.head]
        git(*WITHOUT_HOOKS, "switch", "--quiet", *back, cwd=root)
    if git("branch", "--list", new_branch, cwd=root):
        git("branch", "--quiet", "-D", new_branch, cwd=root)


def _git_folder(root: Path) -> Path:
    return Path(git("rev-parse", "--absolute-git-dir", cwd=root).rstrip("\n"))


def _home(root: Path) -> Path:
    """The folder of this project, for a repository may hold several."""
    return _git_folder(root) / PLACE / (quote(prefix(root), safe="") or "whole")


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink() or source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
