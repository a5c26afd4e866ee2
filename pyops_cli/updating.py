"""`pyops update`: plan, apply, finish, abort. Nothing of the project is written before all of it is known."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyops_cli import answers, leftovers, merging, news, trial, undo, versions
from pyops_cli.errors import EXIT_CONFLICTS, EXIT_TESTS_FAIL, Interrupted, Refused
from pyops_cli.git import GitError, git, top_level
from pyops_cli.merging import Merge
from pyops_cli.plan import EXIT_CLEAN, Plan
from pyops_cli.rendering import render_version
from pyops_cli.source import HEAD, Source, absolute
from pyops_cli.versions import Template

SHOWN_FILES = 3


@dataclass(frozen=True)
class Order:
    """What `pyops update` was asked to do."""

    root: Path
    to: str | None = None
    pre: bool = False
    template: str | None = None
    offline: bool = False
    branch: str | None = None
    wanted: trial.Wanted = field(default_factory=trial.Wanted)


@dataclass(frozen=True)
class Outcome:
    """What came of it: the exit code, and the lines to tell."""

    exit_code: int
    lines: list[str]
    data: dict[str, Any] = field(default_factory=dict)


def check(order: Order) -> Outcome:
    """Whether there is a newer version; renders nothing."""
    asked = answers.read(order.root)
    with _opened(order, asked) as template:
        to = _target(template, asked.commit, order)
        shown = to or asked.commit
    text = f"{shown} is there; the project is of {asked.commit}." if to else f"Nothing is newer than {asked.commit}."
    return Outcome(EXIT_CLEAN, [text], {"from": asked.commit, "to": shown, "update": to is not None})


def plan(order: Order) -> Outcome:
    """What an update would do; writes nothing."""
    with _prepared(order) as (planned, _):
        return Outcome(planned.exit_code, [planned.as_text()], planned.as_json())


def apply(order: Order, *, tell: Callable[[str], None]) -> Outcome:
    """Update the project's files, and try the result; conflicts are left in the files, as git leaves them."""
    _check_clean(order.root)
    _check_branch(order)
    with _prepared(order) as (planned, merged):
        if merged is None:
            return Outcome(EXIT_CLEAN, [planned.as_text()], planned.as_json())
        written = _write(order, planned, merged)
    data = {**planned.as_json(), "branch": order.branch, "commit": None}
    if planned.has_conflicts:
        return Outcome(EXIT_CONFLICTS, [planned.as_text(), "", *_how_to_decide()], {**data, "outcome": "conflicts"})
    outcome = _try(order.root, written, order.wanted, tell=tell)
    return Outcome(outcome.exit_code, [planned.as_text(), "", *outcome.lines], {**data, **outcome.data})


def finish(root: Path, wanted: trial.Wanted, *, tell: Callable[[str], None]) -> Outcome:
    """After conflicts were decided: see that none is left, then try the project as a clean update would have."""
    begun = undo.load(root)
    left = leftovers.of(root)
    if left:
        return Outcome(EXIT_CONFLICTS, ["Still to decide:", *(f"  {line}" for line in left)], {"left": left})
    if begun is None:
        return Outcome(EXIT_CLEAN, ["No conflict is left."], {"left": []})
    return _try(root, begun, wanted, tell=tell)


def abort(root: Path) -> Outcome:
    """Bring back every byte."""
    undone = undo.abort(root)
    return Outcome(EXIT_CLEAN, [f"Everything is as it was, at {undone.at}."], {"at": undone.at})


@contextmanager
def _opened(order: Order, asked: answers.Answers) -> Iterator[Template]:
    source = Source(absolute(order.template), asked.commit) if order.template else asked.source
    with versions.opened(source, wanted=order.to, offline=order.offline) as template:
        if template.commit(asked.commit) is None:
            raise Refused(
                f"The template {source.url} no longer has {asked.commit}, which the project is of."
                f" Write a version into .copier-answers.yml (_commit) that it has and that core/ is nearest to, commit,"
                " and update again."
            )
        yield template


def _target(template: Template, at: str, order: Order) -> str | None:
    """The version to update to; None when the project is of it, or of a newer one."""
    ref = order.to or template.newest(pre=order.pre)
    commit = template.commit(ref)
    if commit is None:
        raise Refused(f"The template {template.source.url} has no revision {ref!r}.")
    name = template.name(commit)
    to = ref if order.to and versions.version_of(ref) else name
    if commit == template.commit(at):
        return None
    if template.is_older(to, at):
        if order.to:
            raise Refused(
                f"{to} is older than the project's {at}: migrations go forward only. Restore a commit instead."
            )
        return None
    return to


@contextmanager
def _prepared(order: Order) -> Iterator[tuple[Plan, Merge | None]]:
    """The plan and the merge behind it, which lives in a scratch folder as long as this is open."""
    _check_repository(order.root)
    asked = answers.read(order.root)
    with _opened(order, asked) as template, TemporaryDirectory(prefix="pyops-update-") as folder:
        to = _target(template, asked.commit, order)
        known = asked.commit, to or asked.commit, template.source.url, template.is_bundled
        if to is None:
            yield Plan(*known, []), None
            return
        scratch = Path(folder)
        refs = {"old": template.commit(asked.commit) or HEAD, "new": template.commit(to) or HEAD}
        without = sorted({path for ref in refs.values() for path in _users_own(template, ref)})
        for side, ref in refs.items():
            render_version(template, ref, scratch / side, data=asked.given, without=without)
        old, new = scratch / "old", scratch / "new"
        merged = merging.merge(order.root, old=old, new=new, scratch=scratch, name=f"pyops-{to}")
        yield Plan(*known, merged.changes, news.between(template, at=asked.commit, to=to, old=old, new=new)), merged


def _users_own(template: Template, ref: str) -> list[str]:
    """The paths that are born once and then the user's, whatever a version brings for them."""
    return [str(path) for path in template.config(ref).get("_skip_if_exists", []) if "{" not in str(path)]


def _write(order: Order, planned: Plan, merged: Merge) -> undo.Undo:
    """Write every changed file, remembering what was there; whatever stops it puts everything back."""
    root = order.root
    contents = {change.path: merged.content(change.path) for change in merged.changes}
    contents |= {change.was: merged.content(change.was) for change in merged.changes if change.was}
    contents = {path: text for path, text in contents.items() if _differs(root / path, text, merged, path)}
    kept = undo.Undo(
        root=str(root),
        at=planned.at,
        to=planned.to,
        head=git("rev-parse", "HEAD", cwd=root).strip(),
        branch=git("branch", "--show-current", cwd=root).strip() or None,
        new_branch=order.branch,
        paths=sorted({*contents, *merged.stages, "uv.lock"}),
    )
    undo.begin(root, kept)
    try:
        for path, text in contents.items():
            _put(root, path, text, merged)
        _stage_conflicts(root, merged)
        if order.branch:  # last, so that whatever stops us before has no branch to take back
            git("symbolic-ref", "HEAD", f"refs/heads/{order.branch}", cwd=root)
            git("update-ref", "HEAD", kept.head, cwd=root)
    except BaseException as error:
        undo.abort(root)
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted("Stopped; everything is as it was.") from error
        raise
    return kept


def _differs(file: Path, text: bytes | None, merged: Merge, path: str) -> bool:
    if text is None:
        return file.is_symlink() or file.exists()
    return not file.is_file() or file.read_bytes() != text or _mode(file) != _mode(merged.folder / path)


def _mode(file: Path) -> int:
    return file.stat().st_mode & 0o111


def _put(root: Path, path: str, text: bytes | None, merged: Merge) -> None:
    file = root / path
    if text is None:
        file.unlink(missing_ok=True)
        undo.remove_empty(root, file.parent)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text)
    file.chmod(file.stat().st_mode & ~0o111 | _mode(merged.folder / path))


def _stage_conflicts(root: Path, merged: Merge) -> None:
    """Let git know what is undecided, as after a merge of its own: `git status`, `git checkout --theirs` work."""
    top, below = top_level(root), undo.prefix(root)
    for path, stages in merged.stages.items():
        lines = []
        for stage in stages:
            blob = git("hash-object", "-w", "--stdin", "--path", f"{below}{path}", cwd=top, stdin=stage.content).strip()
            lines.append(f"{stage.mode} {blob} {stage.number}\t{below}{path}")
        lines.insert(0, f"0 {'0' * len(blob)}\t{below}{path}")  # nothing at the stage of what is merged
        git("update-index", "-z", "--index-info", cwd=top, stdin="\0".join([*lines, ""]).encode())


def _try(root: Path, begun: undo.Undo, wanted: trial.Wanted, *, tell: Callable[[str], None]) -> Outcome:
    if not trial.run(root, wanted, tell=tell):
        back = "Mend it, then: pyops update --finish; or take the update back: pyops update --abort"
        return Outcome(EXIT_TESTS_FAIL, [back], {"outcome": "tests fail"})
    if begun.new_branch and not begun.commit:
        begun.commit = _commit(root, begun)
        undo.save(root, begun)
        where = f"It is committed on the branch {begun.new_branch}."
    else:
        where = "Look at git diff, then commit."
    lines = [f"{where} To take it back: pyops update --abort"]
    return Outcome(EXIT_CLEAN, lines, {"outcome": "clean", "commit": begun.commit})


def _commit(root: Path, begun: undo.Undo) -> str:
    git("add", "--all", "--", ".", cwd=root)
    if not git("status", "--porcelain", "--", ".", cwd=root):  # committed by hand meanwhile
        return git("rev-parse", "HEAD", cwd=root).strip()
    message = f"Update PyOps from {begun.at} to {begun.to}"
    git("commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message", message, "--", ".", cwd=root)
    return git("rev-parse", "HEAD", cwd=root).strip()


def _check_repository(root: Path) -> None:
    try:
        top_level(root)
        git("rev-parse", "--verify", "--quiet", "HEAD", cwd=root)
    except GitError as error:
        raise Refused(f"{root} is in no git repository with a commit: git init, git add, git commit first.") from error


def _check_clean(root: Path) -> None:
    _check_repository(root)
    listed = git("status", "--porcelain", "--untracked-files=all", "--", ".", cwd=root).splitlines()
    if not listed:
        return
    names = ", ".join(line[3:] for line in listed[:SHOWN_FILES]) + (" …" if len(listed) > SHOWN_FILES else "")
    begun = undo.load(root)
    if begun and begun.head == git("rev-parse", "HEAD", cwd=root).strip():
        raise Refused(f"The update to {begun.to} is not finished: pyops update --finish or --abort ({names}).")
    raise Refused(f"There is uncommitted work: commit or stash it first ({names}).")


def _check_branch(order: Order) -> None:
    if order.branch is None:
        return
    try:
        git("check-ref-format", "--branch", order.branch, cwd=order.root)
    except GitError as error:
        raise Refused(f"{order.branch!r} is no name for a branch.") from error
    if git("branch", "--list", order.branch, cwd=order.root):
        raise Refused(f"There is a branch {order.branch} already: choose another name, or git branch -D it.")


def _how_to_decide() -> list[str]:
    return [
        "Somebody must decide about the conflicts: git status names them. Edit and git add each, or git rm it, then:",
        "  pyops update --finish    see that none is left, and try the project",
        "  pyops update --abort     bring back every byte",
    ]
