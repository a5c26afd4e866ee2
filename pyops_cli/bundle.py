"""The released versions of the template that this package carries, so that updates need no network."""

import json
import re
from pathlib import Path

from pyops_cli.source import Source

PLACE = Path(__file__).parent / "released"


def file() -> Path:
    """The slim git bundle: one commit per release, with copier.yml, CHANGELOG.md and template/ alone."""
    return PLACE / "template.bundle"


def address() -> str | None:
    """The repository that the bundle was made from; None when this package carries none."""
    try:
        return str(json.loads((PLACE / "source.json").read_text(encoding="utf-8"))["url"])
    except (FileNotFoundError, KeyError, ValueError):
        return None


def is_of(source: Source) -> bool:
    """Whether the bundle holds versions of this very template."""
    own = address()
    return own is not None and file().is_file() and _plain(own) == _plain(source.url)


def _plain(url: str) -> str:
    """An address without its ways of being written: gh:, git+, .git, the user of an ssh address."""
    url = Source(url, "").clone_url.removesuffix("/").removesuffix(".git")
    if scp := re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)", url):
        return f"{scp[1]}/{scp[2]}".lower()
    return re.sub(r"^[a-z+]+://(?:[^@/]+@)?", "", url).lower()
