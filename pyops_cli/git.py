"""Git as a process: its output, or its own reason in one line."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from pyops_cli.errors import CommandError

FALLBACK_NAME = "pyops"
FALLBACK_EMAIL = "pyops@localhost"
SIGNED_BY_FALLBACK = (
    f"git knows no name for you, so the commit is by {FALLBACK_NAME} <{FALLBACK_EMAIL}>;"
    " set yours with: git config --global user.name … and user.email …"
)

# What a hook or a parent git leaves behind: with these, git works on another repository than the one we name.
SURROUNDINGS = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)

# Of a commit or a switch that is this command's own: what somebody's hooks do at their work must not stop it.
WITHOUT_HOOKS = ("-c", f"core.hooksPath={os.devnull}")

CHATTER = ("Cloning into", "warning:", "hint:", "From ")


class GitError(CommandError):
    """Git refused; the message is git's reason."""


def prepare() -> None:
    """Check that git is there, and leave a surrounding git; before Copier is imported, which keeps a copy."""
    if shutil.which("git") is None:
        raise CommandError("git is not on PATH: install it (Debian: apt install git), then run this again.")
    for name in SURROUNDINGS:
        os.environ.pop(name, None)
    os.environ.setdefault("GIT_TERMINAL_PROMPT", "0")


def git(
    *arguments: str,
    cwd: Path,
    timeout_s: float | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> str:
    """The standard output of `git ARGUMENTS`; raises GitError with git's reason."""
    # Files, not pipes: a killed git's children keep those open.
    with TemporaryFile() as out, TemporaryFile() as err, TemporaryFile() as given:
        given.write(stdin or b"")
        given.seek(0)
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=cwd,
                stdin=given,
                stdout=out,
                stderr=err,
                timeout=timeout_s,
                env={**os.environ, **(env or {})},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise GitError(f"no answer within {timeout_s:.0f} s") from error
        out.seek(0)
        err.seek(0)
        if done.returncode != 0:
            raise GitError(reason(err.read().decode(errors="replace")))
        return out.read().decode(errors="surrogateescape")


def reason(stderr: str) -> str:
    """The one line of git's complaint that says why."""
    lines = [line.strip() for line in stderr.splitlines()]
    telling = [line for line in lines if line and not line.startswith(CHATTER)]
    return telling[0].removeprefix("fatal: ").removeprefix("error: ").rstrip(".") if telling else "git failed"


def top_level(folder: Path) -> Path:
    """The root of the repository that holds a folder; raises GitError when none does, or git distrusts it."""
    return Path(git("rev-parse", "--show-toplevel", cwd=folder).rstrip("\n"))


def is_ignored(path: Path) -> bool:
    """The repository around a path, which need not be there yet, never takes it in."""
    try:
        git("check-ignore", "--quiet", f"{path}/", cwd=path.parent)
    except GitError:
        return False
    return True


def is_dirty(repository: Path) -> bool:
    """The working tree differs from HEAD, untracked files included."""
    return git("status", "--porcelain", cwd=repository) != ""


def begin_repository(folder: Path, *, message: str) -> bool:
    """Make a folder a repository with one commit; False when the fallback identity had to sign it."""
    git("init", "--quiet", "--initial-branch", "main", cwd=folder)
    git("add", "--all", "--force", cwd=folder)  # a user may ignore everything called core, everywhere
    return commit(folder, message=message)


def commit(folder: Path, *, message: str, paths: Sequence[str] = ()) -> bool:
    """Commit these paths as they lie, or what is staged; False when the fallback identity had to sign it."""
    known = _knows_who_commits(folder)
    words = ["commit", "--quiet", "--no-gpg-sign", "--message", message]
    listed = "\0".join(paths).encode(errors="surrogateescape")
    words += ["--pathspec-from-file=-", "--pathspec-file-nul"] if paths else []
    git(*WITHOUT_HOOKS, "--literal-pathspecs", *words, cwd=folder, env=_identity(known), stdin=listed)
    return known


def _knows_who_commits(folder: Path) -> bool:
    try:
        git("var", "GIT_AUTHOR_IDENT", cwd=folder)
        git("var", "GIT_COMMITTER_IDENT", cwd=folder)
    except GitError:
        return False
    return True


def _identity(known: bool) -> dict[str, str]:
    if known:
        return {}
    return {
        "GIT_AUTHOR_NAME": FALLBACK_NAME,
        "GIT_AUTHOR_EMAIL": FALLBACK_EMAIL,
        "GIT_COMMITTER_NAME": FALLBACK_NAME,
        "GIT_COMMITTER_EMAIL": FALLBACK_EMAIL,
    }
