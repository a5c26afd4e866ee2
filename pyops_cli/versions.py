"""The template's versions on this machine: from the bundle in this package, a folder, or fetched."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pyops_cli import bundle
from pyops_cli.errors import CommandError, Refused
from pyops_cli.git import GitError, git
from pyops_cli.source import HEAD, Source, newest_release

if TYPE_CHECKING:
    from packaging.version import Version

FETCH_TIMEOUT_S = 120.0
DESCRIBED = re.compile(r"(.+)-(\d+)-g[0-9a-f]+")  # `git describe`: commits after a tag
REVISION = re.compile(r"[A-Za-z0-9][\w./+-]*")


@dataclass(frozen=True)
class Template:
    """A repository that holds the template's versions; `source` is what projects record."""

    repository: Path
    source: Source
    is_bundled: bool

    def commit(self, ref: str) -> str | None:
        """The commit that a tag, branch or abbreviation means; None when it is not here."""
        if not REVISION.fullmatch(ref):
            return None
        for name in (ref, f"refs/remotes/origin/{ref}"):
            try:
                return git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", cwd=self.repository).strip()
            except GitError:
                continue
        return None

    def name(self, commit: str) -> str:
        """What a project records for a commit: its version, else itself. A tag like `stable` moves on."""
        tags = git("tag", "--points-at", commit, cwd=self.repository).split()
        if (release := newest_release(tags, pre=True)) != HEAD:
            return release
        described = git("describe", "--tags", "--always", commit, cwd=self.repository).strip()
        return described if version_of(described) else git("rev-parse", "--short", commit, cwd=self.repository).strip()

    def newest(self, *, pre: bool) -> str:
        """The newest release, pre-releases too when asked for; HEAD while there is none."""
        return newest_release(git("tag", "--list", cwd=self.repository).split(), pre=pre)

    def text(self, ref: str, path: str) -> str | None:
        """A file at a version; None when that version has no such file."""
        try:
            return git("show", f"{ref}:{path}", cwd=self.repository)
        except GitError:
            return None

    def files(self, ref: str, folder: str) -> dict[str, str]:
        """Git's hashes of the files below a folder at a version, by their path in that folder."""
        listed = git("ls-tree", "-r", "-z", f"{ref}:{folder}", cwd=self.repository)
        return {entry.split("\t")[1]: entry.split("\t")[0].split()[2] for entry in listed.split("\0") if entry}

    def config(self, ref: str) -> dict[str, Any]:
        """copier.yml at a version."""
        import yaml

        try:
            loaded = yaml.safe_load(self.text(ref, "copier.yml") or "")
        except yaml.YAMLError as error:
            raise CommandError(f"The template is broken at {ref}: copier.yml is no YAML.") from error
        if not isinstance(loaded, dict):
            raise CommandError(f"{self.source.url} is no template at {ref}: it has no copier.yml.")
        return loaded

    def is_older(self, one: str, other: str) -> bool:
        """Whether a version came before another: by their numbers, else by history."""
        first, second = version_of(one), version_of(other)
        if first and second:
            return first < second
        commits = self.commit(one), self.commit(other)
        if None in commits or commits[0] == commits[1]:
            return False
        try:
            git("merge-base", "--is-ancestor", one, other, cwd=self.repository)
        except GitError:
            return False
        return True


def version_of(ref: str) -> "Version | None":
    """The version that a recorded commit is, or comes after; None for a bare commit."""
    from packaging.version import InvalidVersion, Version

    described = DESCRIBED.fullmatch(ref)
    try:
        return Version(f"{described[1]}.post{described[2]}" if described else ref)
    except InvalidVersion:
        return None


@contextmanager
def opened(source: Source, *, wanted: str | None = None, offline: bool = False) -> Iterator[Template]:
    """The template's versions: the bundle's when it has what is asked for, else the folder's, else fetched."""
    with TemporaryDirectory(prefix="pyops-template-") as folder:
        if bundle.is_of(source):
            bundled = Template(_unbundled(Path(folder) / "bundled"), source, is_bundled=True)
            _check_not_newer(bundled, source.ref)
            if offline or all(bundled.commit(ref) for ref in (source.ref, wanted or source.ref)):
                yield bundled
                return
        elif offline:
            raise CommandError(f"This pyops carries no version of {source.url}: go without --offline.")
        yield _fetched(source, Path(folder) / "fetched")


def _check_not_newer(bundled: Template, ref: str) -> None:
    newest, own = version_of(bundled.newest(pre=True)), version_of(ref)
    if newest and own and own > newest:
        raise Refused(f"The project is of {ref}, newer than this pyops ({newest}): upgrade pyops, then run this again.")


def _unbundled(repository: Path) -> Path:
    git("clone", "--quiet", "--no-checkout", "--", str(bundle.file()), str(repository), cwd=repository.parent)
    return repository


def _fetched(source: Source, repository: Path) -> Template:
    folder = source.folder
    if folder is not None and not folder.exists():
        raise CommandError(
            f"The template is no longer at {folder}: say where it is now with --template ADDRESS,"
            " which is recorded in the project."
        )
    try:
        if folder is not None and folder.is_dir():
            git("rev-parse", "--git-dir", cwd=folder)
            return Template(folder, source, is_bundled=False)
        git("clone", "--quiet", "--no-checkout", "--", source.clone_url, str(repository), cwd=repository.parent,
            timeout_s=FETCH_TIMEOUT_S)  # fmt: skip
    except GitError as error:
        raise CommandError(f"Cannot read the template {source.url}: {error}.") from error
    # A clone has the other branches as origin's only, and Copier clones it once more.
    git("fetch", "--quiet", "--update-head-ok", "origin", "+refs/heads/*:refs/heads/*", cwd=repository,
        timeout_s=FETCH_TIMEOUT_S)  # fmt: skip
    return Template(repository, source, is_bundled=False)
