"""core/ as the template's own version has it: what differs, where the edit belongs, and the way back."""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pyops_cli import answers, trial, versions
from pyops_cli.errors import Refused
from pyops_cli.git import GitError, git
from pyops_cli.versions import Template

CORE = "core"
PLAIN = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv")  # a diff that can be applied, whatever is set up
CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache"}

# Where a change belongs that somebody made in core: by the beginning of the path, the longest first.
BELONGS = {
    "core/templates/": "extend core/layout.html and its blocks in a template of app/, beside the page",
    "core/static/": "put your own files into app/static/",
    "core/builtin/": "write a feature of your own under app/, with its own pages",
    "core/migrations/versions/": "change your own tables in migrations/; core's belong to it alone",
    "core/settings.py": "add your settings in app/settings.py",
    "core/cli.py": "write a module of your own and run it with python -m app.…",
    "core/": "wrap or subclass it in app/; where that is not possible, propose the change to PyOps",
}


@dataclass(frozen=True)
class Difference:
    """One file of core/ that is not as its version has it."""

    path: str
    kind: str  # edited, missing, added
    diff: str = ""

    @property
    def belongs(self) -> str:
        """Which extension point does what the edit does."""
        return next(where for start, where in BELONGS.items() if self.path.startswith(start))


def differences(root: Path, template: Template, commit: str) -> list[Difference]:
    """Every file of core/ that differs from the template's version; Windows line ends do not count."""
    wanted = {f"{CORE}/{path}": blob for path, blob in template.files(commit, f"template/{CORE}").items()}
    here = {str(file.relative_to(root)): file for file in (root / CORE).rglob("*") if file.is_file()}
    here = {path: file for path, file in here.items() if not CACHES & set(file.parts)}
    found = [Difference(path, "missing") for path in wanted.keys() - here.keys()]
    found += [Difference(path, "added") for path in here.keys() - wanted.keys()]
    for path in wanted.keys() & here.keys():
        text = here[path].read_bytes()
        if wanted[path] not in (_hash(text, wanted[path]), _hash(text.replace(b"\r\n", b"\n"), wanted[path])):
            found.append(Difference(path, "edited", _diff(path, _content(template, wanted[path]), text)))
    return sorted(found, key=lambda difference: difference.path)


def restore(root: Path, names: Sequence[Path], *, offline: bool, tell: trial.Tell) -> list[str]:
    """Bring files of core/, or all of it, back to the project's own version; returns what was written."""
    asked, chosen = answers.read(root), _below(root, names)
    with versions.opened(asked.source, offline=offline) as template:
        changed = [each for each in differences(root, template, _known(template, asked)) if each.kind != "added"]
        blobs = template.files(asked.commit, f"template/{CORE}")
        if unknown := sorted(chosen - {f"{CORE}/{path}" for path in blobs}):
            raise Refused(f"{asked.commit} has no {unknown[0]}.")
        changed = [each for each in changed if not chosen or each.path in chosen]
        _keep_edits(root, [each.path for each in changed], tell=tell)
        for each in changed:
            (root / each.path).parent.mkdir(parents=True, exist_ok=True)
            if (root / each.path).is_symlink():  # never through it: what it leads to is not core's
                (root / each.path).unlink()
            (root / each.path).write_bytes(_content(template, blobs[each.path.removeprefix(f"{CORE}/")]))
    return [each.path for each in changed]


def _known(template: Template, asked: answers.Answers) -> str:
    if template.commit(asked.commit) is None:
        raise Refused(f"The template {asked.source.url} no longer has {asked.commit}, which the project is of.")
    return asked.commit


def _below(root: Path, names: Sequence[Path]) -> set[str]:
    found = {name.absolute() for name in names}
    for name in found:
        if not name.is_relative_to(root / CORE):
            raise Refused(f"{name.name} is no file of core/; what is yours is restored with git.")
    return {str(name.relative_to(root)) for name in found}


def _keep_edits(root: Path, paths: list[str], *, tell: trial.Tell) -> None:
    """Write what is overwritten and in no commit into a patch; raises Refused when git cannot make one."""
    try:
        listed = git("status", "--porcelain", "--", *paths, cwd=root).splitlines() if paths else []
        lost = [line for line in listed if "D" not in line[:2]]
        diff = git("diff", *PLAIN, "HEAD", "--", *paths, cwd=root) if lost else ""
    except GitError as error:
        raise Refused(f"git cannot keep what would be overwritten: {error}.") from error
    if unknown := [line[3:] for line in lost if line.startswith("?")]:
        raise Refused(f"git does not know {', '.join(unknown)}: commit or move it, so that it is not lost.")
    if diff:
        patch = trial.data_folder(root) / f"core-edits-{datetime.now():%Y%m%d-%H%M%S}.patch"
        patch.parent.mkdir(parents=True, exist_ok=True)
        patch.write_bytes(diff.encode(errors="surrogateescape"))
        tell(f"what was in no commit is kept: git apply {patch}")


def _hash(text: bytes, like: str) -> str:
    blob = b"blob %d\0%s" % (len(text), text)
    return (hashlib.sha256(blob) if len(like) == 64 else hashlib.sha1(blob, usedforsecurity=False)).hexdigest()


def _content(template: Template, blob: str) -> bytes:
    return git("cat-file", "blob", blob, cwd=template.repository).encode(errors="surrogateescape")


def _diff(path: str, wanted: bytes, here: bytes) -> str:
    try:
        old, new = (text.decode().replace("\r\n", "\n").splitlines(keepends=True) for text in (wanted, here))
    except UnicodeDecodeError:
        return f"{path}: binary\n"
    return "".join(difflib.unified_diff(old, new, f"template/{path}", path, n=1))
