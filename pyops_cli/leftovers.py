"""What an unfinished merge leaves behind: unmerged paths, conflict markers, rejected hunks."""

import re
from pathlib import Path

from pyops_cli.git import GitError, git

MERGED = ("core", ":(glob)*")  # where an update merges: core/, and the files beside it
MARKER = re.compile(rb"^(<{7}|>{7}) .*$", re.MULTILINE)


def of(root: Path) -> list[str]:
    """One line for each thing still to decide: in what differs from HEAD, and in what an update may have committed."""
    listed = [entry for entry in _status(root) if entry]
    unmerged = {entry[3:] for entry in listed if "U" in entry[:2] or entry[:2] in ("AA", "DD")}
    left = [f"{path}: unmerged; when it is decided: git add {path} (or git rm)" for path in sorted(unmerged)]
    for path in sorted({entry[3:] for entry in listed} | _committed(root)):
        if path.endswith(".rej"):
            left.append(f"{path}: a rejected change; bring it into {path.removesuffix('.rej')}, then remove this file")
        elif (root / path).is_file() and MARKER.search((root / path).read_bytes()):
            left.append(f"{path}: conflict markers")
    return left


def _committed(root: Path) -> set[str]:
    """Committed files that may hold markers or be rejects: a bot's update commits whatever Copier left."""
    rejects = git("ls-files", "-z", "--", "core/**/*.rej", "core/*.rej", ":(glob)*.rej", cwd=root).split("\0")
    try:
        marked = git("grep", "-lzIE", "^(<{7}|>{7}) ", "--", *MERGED, cwd=root).split("\0")
    except GitError:  # none
        marked = []
    return {path for path in [*rejects, *marked] if path}


def _status(root: Path) -> list[str]:
    """`git status` of the project, with paths from its root; without renames, which would take two entries."""
    top = Path(git("rev-parse", "--show-toplevel", cwd=root).rstrip("\n"))
    listed = git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", ".", cwd=root).split(
        "\0"
    )
    below = root.resolve().relative_to(top.resolve()).as_posix()
    start = 0 if below == "." else len(below) + 1
    return [entry[:3] + entry[3 + start :] for entry in listed if entry]
