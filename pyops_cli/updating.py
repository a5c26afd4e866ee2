"""`pyops update`: plan, apply, finish, abort. Nothing of the project is written before all of it is known."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyops_cli import answers, leftovers, merging, news, trial, undo, versions
from pyops_cli.errors import EXIT_CONFLICTS, EXIT_TESTS_FAIL, CommandError, Interrupted, Refused
from pyops_cli.git import SIGNED_BY_FALLBACK, GitError, commit, git, top_level
from pyops_cli.merging import Merge
from pyops_cli.plan import EXIT_CLEAN, Plan
from pyops_cli.rendering import render_version
from pyops_cli.source import HEAD, Source, absolute
from pyops_cli.versions import Template

SHOWN_FILES = 3
LOCK = "uv.lock"
TAKE_BACK = "pyops update --abort"
HOW_TO_GO_ON = f"Then: pyops update --finish; or take the update back: {TAKE_BACK}"


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
    _check_repository(order.root)
    with undo.alone(order.root):
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
    with undo.alone(root):
        begun = undo.load(root)
        if begun and not begun.is_written:
            raise Refused(_cut_off(begun))
        left = leftovers.of(root)
        if left:
            return Outcome(EXIT_CONFLICTS, ["Still to decide:", *(f"  {line}" for line in left)], {"left": left})
        if begun is None:
            return Outcome(EXIT_CLEAN, ["No conflict is left."], {"left": []})
        return _try(root, begun, wanted, tell=tell)


def abort(root: Path) -> Outcome:
    """Bring back every byte."""
    with undo.alone(root):
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
    to = ref if versions.version_of(ref) else template.name(commit)
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
        commits = {ref: template.commit(ref) or HEAD for ref in (asked.commit, to)}
        without = sorted({path for commit in commits.values() for path in _users_own(template, commit)})
        for side, ref in (("old", asked.commit), ("new", to)):
            render_version(template, ref, scratch / side, commit=commits[ref], data=asked.given, without=without)
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
        at=planned.at,
        to=planned.to,
        head=git("rev-parse", "HEAD", cwd=root).strip(),
        branch=undo.current_branch(root),
        new_branch=order.branch,
        paths=sorted({*contents, *merged.stages, LOCK}),
    )
    undo.begin(root, kept)
    try:
        if order.branch:  # before any file, for the name may be impossible beside those that there are
            git("branch", "--no-track", order.branch, cwd=root)
        for path, text in contents.items():
            _put(root, path, text, merged)
        _stage_conflicts(root, merged)
        if order.branch:
            git("symbolic-ref", "HEAD", f"refs/heads/{order.branch}", cwd=root)
        kept.is_written = True
        undo.save(root, kept)
    except BaseException as error:
        _put_back(root, error)
        raise
    return kept


def _put_back(root: Path, why: BaseException) -> None:
    try:
        undo.abort(root)
    except (OSError, CommandError) as error:  # such as a disk that is full or gone
        raise CommandError(f"{why}; and not all could be put back ({error}). Mend it, then: {TAKE_BACK}") from why
    if isinstance(why, KeyboardInterrupt):
        raise Interrupted("Stopped; everything is as it was.") from why


def _differs(file: Path, text: bytes | None, merged: Merge, path: str) -> bool:
    if (merged.folder / path).is_symlink():  # the user's own link, which stays as it is
        return False
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
    if file.is_symlink():  # never through it: what it leads to is not the project's
        file.unlink()
    file.write_bytes(text)
    file.chmod(file.stat().st_mode & ~0o111 | _mode(merged.folder / path))


def _stage_conflicts(root: Path, merged: Merge) -> None:
    """Let git know what is undecided, as after a merge of its own: `git status`, `git checkout --theirs` work."""
    top, below = top_level(root), undo.prefix(root)
    for path, stages in merged.stages.items():
        lines = []
        for stage in stages:
            words = ["--no-filters"] if stage.is_link else ["--path", f"{below}{path}"]
            blob = git("hash-object", "-w", "--stdin", *words, cwd=top, stdin=stage.content).strip()
            lines.append(f"{stage.mode} {blob} {stage.number}\t{below}{path}")
        lines.insert(0, f"0 {'0' * len(blob)}\t{below}{path}")  # nothing at the stage of what is merged
        git("update-index", "-z", "--index-info", cwd=top, stdin="\0".join([*lines, ""]).encode())


def _try(root: Path, begun: undo.Undo, wanted: trial.Wanted, *, tell: Callable[[str], None]) -> Outcome:
    paths = _to_commit(root, begun)  # before the trial, which may leave something lying about
    try:
        is_sound = trial.run(root, wanted, tell=tell)
    except (KeyboardInterrupt, Interrupted) as error:
        raise Interrupted(f"Stopped while it was tried; the update is in the tree. {HOW_TO_GO_ON}") from error
    if not is_sound:
        return Outcome(EXIT_TESTS_FAIL, [f"Mend it. {HOW_TO_GO_ON}"], {"outcome": "tests fail"})
    if paths:
        _commit(root, begun, paths, tell=tell)
    where = f"It is committed on the branch {begun.new_branch}." if begun.commit else "Look at git diff, then commit."
    return Outcome(EXIT_CLEAN, [f"{where} To take it back: {TAKE_BACK}"], {"outcome": "clean", "commit": begun.commit})


def _to_commit(root: Path, begun: undo.Undo) -> list[str]:
    """What to commit on the update's branch; nothing when none was asked for, or somebody has committed already."""
    if not begun.new_branch or begun.commit or git("rev-parse", "HEAD", cwd=root).strip() != begun.head:
        return []
    if undo.current_branch(root) != begun.new_branch:
        raise Refused(f"The update is to be committed on the branch {begun.new_branch}: git switch there first.")
    git("add", "--all", "--", ".", cwd=root)
    written = [path for path in begun.paths if path != LOCK and (root / path).is_file()]
    words = ("--force", "--pathspec-from-file=-", "--pathspec-file-nul")  # a user may ignore everything called core
    git("--literal-pathspecs", "add", *words, cwd=root, stdin="\0".join(written).encode(errors="surrogateescape"))
    listed = git("diff", "--cached", "--name-only", "--no-renames", "--relative", "-z", cwd=root)
    return [path for path in listed.split("\0") if path]


def _commit(root: Path, begun: undo.Undo, paths: list[str], *, tell: Callable[[str], None]) -> None:
    if git("status", "--porcelain", "--", LOCK, cwd=root):
        git("add", "--", LOCK, cwd=root)
        paths = sorted({*paths, LOCK})
    if not commit(root, message=f"Update PyOps from {begun.at} to {begun.to}", paths=paths):
        tell(SIGNED_BY_FALLBACK)
    begun.commit = git("rev-parse", "HEAD", cwd=root).strip()
    undo.save(root, begun)


def _check_repository(root: Path) -> None:
    try:
        top_level(root)
        git("rev-parse", "--verify", "--quiet", "HEAD", cwd=root)
    except GitError as error:
        raise Refused(f"{root} is in no git repository with a commit: git init, git add, git commit first.") from error


def _check_clean(root: Path) -> None:
    listed = git(
        "-c", "core.quotePath=false", "status", "--porcelain", "--untracked-files=all", "--", ".", cwd=root
    ).splitlines()
    if not listed:
        return
    names = ", ".join(line[3:] for line in listed[:SHOWN_FILES]) + (" …" if len(listed) > SHOWN_FILES else "")
    begun = undo.load(root)
    if begun and begun.head == git("rev-parse", "HEAD", cwd=root).strip():
        unfinished = f"The update to {begun.to} is not finished: pyops update --finish or --abort ({names})."
        raise Refused(unfinished if begun.is_written else _cut_off(begun))
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


def _cut_off(begun: undo.Undo) -> str:
    return f"The update to {begun.to} was cut off while it was written. First: {TAKE_BACK}"


def _how_to_decide() -> list[str]:
    return [
        "Somebody must decide about the conflicts: git status names them. Edit and git add each, or git rm it, then:",
        "  pyops update --finish    see that none is left, and try the project",
        "  pyops update --abort     bring back every byte",
    ]
