"""The released versions of the template that this package carries, so that updates need no network.

The bundle is slim: one commit for each release, of copier.yml, CHANGELOG.md and template/ alone. What a project records
is always the real address, so it moves freely between this bundle and the network: the tags mean the same in both.
"""

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from pyops_cli.git import git
from pyops_cli.source import Source, without_credentials

PLACE = Path(__file__).parent / "released"
CARRIED = ("copier.yml", "CHANGELOG.md", "template")
IDENTITY = {f"GIT_{who}_{what}": "pyops" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def file() -> Path:
    """Where the bundle is, when there is one."""
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


def place(source: Source) -> str:
    """What to clone to have a version: the bundle when it holds this one, else the recorded address."""
    if not is_of(source):
        return source.clone_url
    heads = git("bundle", "list-heads", str(file()), cwd=PLACE).split()
    return str(file()) if f"refs/tags/{source.ref}" in heads else source.clone_url


def make(repository: Path, folder: Path, *, url: str) -> bool:
    """Bundle the releases of a repository; False when it has none."""
    from pyops_cli.versions import version_of

    versions = {tag: version_of(tag) for tag in git("tag", "--list", cwd=repository).split()}
    tags = sorted((tag for tag, version in versions.items() if version), key=lambda tag: versions[tag])  # type: ignore[arg-type,return-value]
    if not tags:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="pyops-bundle-") as scratch:
        slim = Path(scratch)
        git("init", "--quiet", "--bare", ".", cwd=slim)
        git("fetch", "--quiet", str(repository), "refs/tags/*:refs/whole/*", cwd=slim)
        parent: list[str] = []
        for tag in tags:
            parent = ["-p", _slim_commit(slim, tag, parent)]
        git("update-ref", "refs/heads/main", parent[1], cwd=slim)
        git("symbolic-ref", "HEAD", "refs/heads/main", cwd=slim)
        git("bundle", "create", "--quiet", str(folder / file().name), "HEAD", "main", "--tags", cwd=slim)
    (folder / "source.json").write_text(json.dumps({"url": without_credentials(url)}) + "\n", encoding="utf-8")
    return True


def _slim_commit(slim: Path, tag: str, parent: list[str]) -> str:
    entries = git("ls-tree", f"refs/whole/{tag}", "--", *CARRIED, cwd=slim)
    tree = git("mktree", cwd=slim, stdin=entries.encode()).strip()
    when = git("log", "-1", "--format=%cI", f"refs/whole/{tag}", cwd=slim).strip()
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}  # so that the same releases make the same bundle
    commit = git("commit-tree", "-m", tag, *parent, tree, cwd=slim, env={**IDENTITY, **dates}).strip()
    git("update-ref", f"refs/tags/{tag}", commit, cwd=slim)
    return commit


def _plain(url: str) -> str:
    """An address without its ways of being written: gh:, git+, .git, the user of an ssh address."""
    url = Source(url, "").clone_url.removesuffix("/").removesuffix(".git")
    if scp := re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)", url):
        return f"{scp[1]}/{scp[2]}".lower()
    return re.sub(r"^[a-z+]+://(?:[^@/]+@)?", "", url).lower()
