"""Three trees into one: the old version, the new one, and what the project made of the old one.

Git merges them in a scratch repository, so that it sees renames and removals that meet an edit; what is the user's own
is in none of the trees. The project itself is only read here.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pyops_cli.errors import Refused
from pyops_cli.git import GitError, git
from pyops_cli.project import ANSWERS_FILE

SETTLED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "pyops" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
OPTIONS = {
    "core.autocrlf": "false",
    "core.attributesFile": os.devnull,
    "core.fileMode": "true",
    "core.hooksPath": os.devnull,
    "core.logAllRefUpdates": "false",
    "gc.auto": "0",
    "merge.directoryRenames": "false",  # a file that the user added stays where it is
    "merge.renames": "true",
}

# What happens to a file, from the best news to the worst. The last two stop an update until somebody decides.
NEW, UPDATED, MERGED, MOVED, REMOVED = "new", "updated", "merged", "moved", "removed"
STAYS_DELETED = "stays deleted"
CONFLICT, EDIT_DELETED = "conflict", "your edit would be deleted"
UNDECIDED = (CONFLICT, EDIT_DELETED)


@dataclass(frozen=True)
class Change:
    """What an update does to one file."""

    path: str
    kind: str
    note: str = ""
    was: str = ""  # where a moved file was


@dataclass(frozen=True)
class Stage:
    """One side of a conflict, as git's index keeps it: 1 the old version, 2 the project's, 3 the new version."""

    mode: str
    number: str
    content: bytes

    @property
    def is_link(self) -> bool:
        """Whether this side is a symbolic link, whose content is where it leads."""
        return self.mode == LINK


@dataclass
class Merge:
    """The outcome: what happens to which file, the files themselves in `folder`, and each conflict's sides."""

    folder: Path
    changes: list[Change]
    stages: dict[str, list[Stage]]
    crlf: set[str] = field(default_factory=set)

    @property
    def has_conflicts(self) -> bool:
        """Whether somebody must decide about a file."""
        return any(change.kind in UNDECIDED for change in self.changes)

    def content(self, path: str) -> bytes | None:
        """What a file will say, its line ends as the project has them; None when it goes."""
        file = self.folder / path
        return _with_ends(file.read_bytes(), path, self.crlf) if file.is_file() else None


LINK = "120000"  # git's mode of a symbolic link
Tree = dict[str, tuple[str, str]]  # mode and hash of each file by its path


def merge(project: Path, *, old: Path, new: Path, scratch: Path, name: str) -> Merge:
    """Merge two renderings of the template, `old` and `new`, with the project's files; `name` labels the new side."""
    desk = _Desk(scratch)
    base, theirs = desk.commit(old), desk.commit(new)
    trees = desk.tree(base), desk.tree(theirs)
    ours_folder = scratch / "ours"
    crlf = _collect(project, ours_folder, old=old, new=new, paths=sorted({*trees[0], *trees[1]}))
    ours = desk.commit(ours_folder, parent=base)
    theirs = desk.commit(new, parent=base)
    unmerged = desk.merge(ours_folder, ours, theirs, name=name)
    moved = desk.moves(base, theirs)
    judged = _Judged(trees[0], desk.tree(ours), trees[1], unmerged, moved)
    for path in [path for path in unmerged if judged.stays_deleted(path)]:
        (ours_folder / path).unlink(missing_ok=True)
        del unmerged[path]
    for path in [path for path in unmerged if judged.is_new_again(path)]:
        desk.run("checkout", "--quiet", theirs, "--", path, folder=ours_folder)
        del unmerged[path]
    stages = {path: desk.stages(found, path, crlf) for path, found in unmerged.items()}
    return Merge(ours_folder, judged.changes(), stages, crlf)


class _Desk:
    """The scratch repository, deaf to everybody's settings."""

    def __init__(self, scratch: Path) -> None:
        self.home = scratch / "merging.git"
        git("init", "--quiet", "--bare", str(self.home), cwd=scratch, env=SETTLED)
        options = "".join(
            f"[{name.split('.')[0]}]\n\t{name.split('.')[1]} = {value}\n" for name, value in OPTIONS.items()
        )
        with (self.home / "config").open("a") as config:
            config.write(f"{options}[core]\n\tbare = false\n")

    def run(self, *words: str, folder: Path | None = None) -> str:
        env = {**SETTLED, "GIT_DIR": str(self.home), "GIT_WORK_TREE": str(folder or self.home)}
        return git(*words, cwd=folder or self.home, env=env)

    def commit(self, folder: Path, parent: str = "") -> str:
        self.run("read-tree", "--empty", folder=folder)
        self.run("add", "--all", "--force", ".", folder=folder)
        tree = self.run("write-tree").strip()
        return self.run("commit-tree", "-m", folder.name, *(["-p", parent] if parent else []), tree).strip()

    def tree(self, commit: str) -> Tree:
        listed = self.run("ls-tree", "-r", "-z", commit).split("\0")
        return {entry.split("\t")[1]: (entry.split()[0], entry.split()[2]) for entry in listed if entry}

    def merge(self, folder: Path, ours: str, theirs: str, *, name: str) -> dict[str, list[str]]:
        """Merge in a folder that holds our side; the index's entries of what could not be merged, by path."""
        self.run("update-ref", f"refs/heads/{name}", theirs)
        self.run("update-ref", "--no-deref", "HEAD", ours)
        self.run("reset", "--quiet", ours, folder=folder)
        try:
            self.run("merge", "--quiet", "--no-ff", "--no-commit", name, folder=folder)
        except GitError:
            if not (self.home / "MERGE_HEAD").exists():
                raise
        found: dict[str, list[str]] = {}
        for entry in filter(None, self.run("ls-files", "--unmerged", "-z", folder=folder).split("\0")):
            sides, _, path = entry.partition("\t")
            # A link against a file: git puts one of them beside the other, under a name that nobody knows.
            found.setdefault(path.removesuffix(f"~{name}").removesuffix("~HEAD"), []).append(sides)
        return found

    def moves(self, base: str, theirs: str) -> dict[str, str]:
        """Where the new version moved files: the old path by the new one."""
        listed = self.run("diff", "--find-renames", "--no-rename-empty", "--diff-filter=R", "--name-status", "-z", base,
                          theirs).split("\0")  # fmt: skip
        return {listed[i + 2]: listed[i + 1] for i in range(0, len(listed) - 2, 3)}

    def stages(self, entries: list[str], path: str, crlf: set[str]) -> list[Stage]:
        found = []
        for mode, blob, number in sorted((entry.split() for entry in entries), key=lambda entry: entry[2]):
            content = self.run("cat-file", "blob", blob).encode(errors="surrogateescape")
            found.append(Stage(mode, number, _with_ends(content, path, crlf)))
        return found


@dataclass(frozen=True)
class _Judged:
    """What the merge means for each file."""

    old: Tree
    ours: Tree
    new: Tree
    unmerged: dict[str, list[str]]
    moved: dict[str, str]

    def changes(self) -> list[Change]:
        found = (self._change(path) for path in sorted({*self.old, *self.new}))
        return [change for change in found if change]

    def stays_deleted(self, path: str) -> bool:
        return path in self.old and path not in self.ours

    def is_new_again(self, path: str) -> bool:
        """The user deleted the file, and the new version has it elsewhere, where it is needed."""
        return path in self.moved and path not in self.ours and self.moved[path] not in self.ours

    def _change(self, path: str) -> Change | None:
        old, ours, new = self.old.get(path), self.ours.get(path), self.new.get(path)
        if path in self.moved.values() and new is None and path not in self.unmerged:
            return None  # told where it went
        if self.stays_deleted(path):
            return Change(path, STAYS_DELETED, "the new version changes it") if old != new and new else None
        if path in self.unmerged:
            return self._undecided(path)
        if path in self.moved and ours is None:
            was = self.moved[path]
            edit = ", and your edit with it" if self.ours.get(was, self.old[was]) != self.old[was] else ""
            return Change(path, MOVED, f"from {was}{edit}", was)
        if old == new or ours == new:
            return None
        if new is None:
            return Change(path, REMOVED) if ours else None
        if ours is None:
            return Change(path, NEW)
        return Change(path, UPDATED if ours == old else MERGED)

    def _undecided(self, path: str) -> Change:
        if path not in self.new:
            return Change(path, EDIT_DELETED, "the new version has no such file; it stays until you decide")
        if path in self.moved:
            return Change(path, CONFLICT, f"moved from {self.moved[path]}, where you edited it", self.moved[path])
        if path not in self.old:
            return Change(path, CONFLICT, "both of you added it")
        return Change(path, CONFLICT)


def _collect(project: Path, folder: Path, *, old: Path, new: Path, paths: list[str]) -> set[str]:
    """Copy the project's files of these paths; those with CRLF where the template has LF as LF, and which they are."""
    folder.mkdir()
    crlf = set()
    for path in paths:
        file = project / path
        _check_place(project, path)
        if not (file.is_symlink() or file.is_file()):
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path == ANSWERS_FILE:  # never merged: the answers were read, the new version writes them again
            shutil.copy2(old / path, target)
            continue
        shutil.copy2(file, target, follow_symlinks=False)
        original = next(side / path for side in (old, new) if (side / path).exists())
        if not file.is_symlink() and _is_crlf(file.read_bytes()) and not _is_crlf(original.read_bytes()):
            target.write_bytes(file.read_bytes().replace(b"\r\n", b"\n"))
            crlf.add(path)
    return crlf


def _check_place(project: Path, path: str) -> None:
    for parent in [project / p for p in Path(path).parents if p != Path()]:
        if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
            raise Refused(f"{parent.relative_to(project)} is no folder, and the template has {path}: move it away.")
    if (project / path).is_dir() and not (project / path).is_symlink():
        raise Refused(f"{path} is a folder, and the template has a file of this name: move it away.")


def _with_ends(text: bytes, path: str, crlf: set[str]) -> bytes:
    return text.replace(b"\n", b"\r\n") if path in crlf else text


def _is_crlf(text: bytes) -> bool:
    return 0 < text.count(b"\n") == text.count(b"\r\n") and b"\0" not in text
