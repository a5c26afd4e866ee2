"""Which template a new project is made from: its address, as recorded in the project, and its revision."""

import json
import os
import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pyops_cli.errors import CommandError
from pyops_cli.git import GitError, git, is_dirty, top_level

DISTRIBUTION = "pyops-kit"
VARIABLE = "PYOPS_TEMPLATE"
HEAD = "HEAD"
REMOTE_TIMEOUT_S = 30.0

REMOTE = re.compile(r"^(?:[a-z][a-z0-9+.-]*://|gh:|gl:|[\w.-]+@[\w.-]+:)", re.IGNORECASE)
# What Copier takes for a git address without being told; others get its prefix "git+".
KNOWN_TO_COPIER = re.compile(r"^(?:git\+|git@|git://|gh:|gl:|https://github\.com/|https://gitlab\.com/)|\.git$")
COMMIT = re.compile(r"^[0-9a-f]{7,64}$")
HOW_TO_CHOOSE = f"name another with --template or the variable {VARIABLE}"


@dataclass(frozen=True)
class Source:
    """A template repository and the revision of it to render."""

    url: str
    ref: str

    @property
    def folder(self) -> Path | None:
        """The repository's folder on this machine; None when it is elsewhere."""
        return None if REMOTE.match(self.url) else Path(self.url)

    @property
    def is_live(self) -> bool:
        """A folder rendered as it lies there, changes not yet committed included."""
        return self.ref == HEAD and self.folder is not None and self.folder.is_dir()

    @property
    def is_draft(self) -> bool:
        """Rendered with changes that no commit holds."""
        return self.is_live and self.folder is not None and is_dirty(self.folder)

    @property
    def clone_url(self) -> str:
        """The address in the form git itself takes."""
        for short, host in (("gh:", "https://github.com/"), ("gl:", "https://gitlab.com/")):
            if self.url.startswith(short):
                return host + self.url.removeprefix(short).lstrip("/")
        return self.url.removeprefix("git+")


def choose(template: str | None, *, ref: str | None) -> Source:
    """The template asked for, else the one set up for this user, else the one this command came with."""
    asked = template or os.environ.get(VARIABLE) or _configured()
    url, own_ref = (absolute(asked), None) if asked else _own()
    source = Source(url, ref or own_ref or HEAD)
    if source.folder is not None:
        _check_folder(source.folder)
    if source.is_live:
        return source
    tags = _tags(source)
    return source if ref or own_ref else Source(url, newest_release(tags))


def config_file() -> Path:
    """Where a user names a template for good, as `template = "…"`."""
    import typer

    return Path(typer.get_app_dir("pyops")) / "config.toml"


def _configured() -> str | None:
    file = config_file()
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8")).get("template")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    if value is not None and not isinstance(value, str):
        raise CommandError(f'{file}: template is {value!r}; write it like template = "https://host/repository.git"')
    return value


def _own() -> tuple[str, str | None]:
    """The repository this command was installed from (PEP 610), else the checkout it lies in."""
    try:
        installed = distribution(DISTRIBUTION)
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        origin = {}
    if "url" in origin and "archive_info" not in origin:  # a wheel says where it lay itself, which is no template
        return absolute(origin["url"]), _own_ref(origin.get("vcs_info", {}), installed)
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "copier.yml").is_file():
        return str(checkout), None
    from pyops_cli import bundle

    if (carried := bundle.address()) is not None:
        return carried, f"v{distribution(DISTRIBUTION).version}"
    raise CommandError(f"This pyops does not know its template: {HOW_TO_CHOOSE}.")


def _own_ref(vcs_info: dict[str, str], installed: Distribution) -> str | None:
    """A released command's own tag, else the commit it was built from."""
    own_tag = f"v{installed.version}"
    return own_tag if vcs_info.get("requested_revision") == own_tag else vcs_info.get("commit_id")


def absolute(address: str) -> str:
    """An address that means the same from every folder."""
    address = re.sub(r"^git\+(?=file:)", "", address)
    if address.startswith("file:"):
        address = url2pathname(urlsplit(address).path)
    if not REMOTE.match(address):
        return str(Path(address).expanduser().resolve())
    if without_credentials(address) != address:
        raise CommandError(
            "The template's address holds credentials, and it would be written into the project:"
            " leave them out and let git ask its credential helper."
        )
    return address if KNOWN_TO_COPIER.search(address) else f"git+{address}"


def without_credentials(address: str) -> str:
    """An address without a password or token in it; who one is to ssh is no secret."""
    return re.sub(
        r"^((?:git\+)?https?://)[^/]*@|^([a-z+]+://[^/@:]*):[^/]*(?=@)", r"\1\2", address, flags=re.IGNORECASE
    )


def _check_folder(folder: Path) -> None:
    """Copier renders a folder that is no repository too, but such a project can never be updated."""
    if not folder.exists():
        raise CommandError(f"No template at {folder}: there is no such folder; {HOW_TO_CHOOSE}.")
    if folder.is_file():  # a git bundle
        return
    try:
        top = top_level(folder)
    except GitError as error:
        raise CommandError(f"{folder} cannot be a template, git says: {error}; {HOW_TO_CHOOSE}.") from error
    if top != folder:
        raise CommandError(f"{folder} is inside the repository {top}: a template is a repository's root folder.")


def _tags(source: Source) -> list[str]:
    """The tags of a repository; raises when it cannot be reached or lacks the revision asked for."""
    from pyops_cli import bundle

    try:
        answer = git("ls-remote", "--", bundle.place(source), cwd=Path.cwd(), timeout_s=REMOTE_TIMEOUT_S)
    except GitError as error:
        raise CommandError(f"Cannot reach the template {source.url}: {error}; {HOW_TO_CHOOSE}.") from error
    names = [line.split("\t")[1] for line in answer.splitlines()]
    tags = [name.removeprefix("refs/tags/") for name in names if name.startswith("refs/tags/")]
    branches = [name.removeprefix("refs/heads/") for name in names if name.startswith("refs/heads/")]
    known = {HEAD, *names, *tags, *branches}
    if source.ref not in known and not COMMIT.match(source.ref):
        raise CommandError(f"The template {source.url} has no revision {source.ref!r}; {_some(tags or branches)}.")
    return tags


def newest_release(tags: list[str], *, pre: bool = False) -> str:
    """The newest release (PEP 440), as Copier finds it: a final one unless asked; HEAD when there is none."""
    from packaging.version import InvalidVersion, Version

    releases: dict[Version, str] = {}
    for tag in tags:
        try:
            releases[Version(tag)] = tag
        except InvalidVersion:
            continue
    eligible = [version for version in releases if pre or not version.is_prerelease]
    return releases[max(eligible)] if eligible else HEAD


def _some(names: list[str]) -> str:
    return f"it has {', '.join(sorted(names)[-5:])}" if names else "it has none at all"
