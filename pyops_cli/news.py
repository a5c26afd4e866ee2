"""What is new between two versions besides the files: release notes, settings, migrations, dependencies."""

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pyops_cli.versions import Template, version_of

HEADING = re.compile(r"^## \[?v?([0-9][^\s\]]*)")
MUST = re.compile(r"you must", re.IGNORECASE)
MIGRATIONS = Path("core/migrations/versions")
PACKAGE = re.compile(r"[A-Za-z0-9._-]*")


@dataclass(frozen=True)
class News:
    """What the person who updates should know; `must` are the notes that ask for a deed."""

    notes: list[str]
    must: list[str]
    settings: dict[str, list[str]]
    migrations: list[str]
    dependencies: dict[str, list[str]]


def between(template: Template, *, at: str, to: str, old: Path, new: Path) -> News:
    """The news from one version to another, of which `old` and `new` are renderings."""
    notes = _notes(template.text(template.commit(to) or to, "CHANGELOG.md") or "", after=at, until=to)
    before, after = settings_of(old), settings_of(new)
    revisions = {file.stem for file in (new / MIGRATIONS).glob("*.py")}
    return News(
        notes=notes,
        must=_must(notes),
        settings={"new": sorted(after - before), "gone": sorted(before - after)},
        migrations=sorted(revisions - {file.stem for file in (old / MIGRATIONS).glob("*.py")}),
        dependencies=_dependencies(_needed(old), _needed(new)),
    )


def settings_of(project: Path, folder: str = "core") -> set[str]:
    """The settings that core or app declares, as they stand in the environment."""
    home = project / folder  # and a feature's own, such as app/oidc/settings.py
    files = [home / "settings.py", *(home / "settings").glob("*.py"), *home.glob("*/settings.py")]
    return {
        node.target.id.upper()
        for file in files
        if file.is_file()
        for kind in ast.walk(_parsed(file))
        if isinstance(kind, ast.ClassDef) and [ast.unparse(base) for base in kind.bases] != ["BaseModel"]
        for node in kind.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_"
    }


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except SyntaxError:
        return ast.Module([], [])


def _notes(changelog: str, *, after: str, until: str) -> list[str]:
    """The lines of the sections of the versions after one and up to another."""
    first, last = version_of(after), version_of(until)
    wanted, lines = False, []
    for line in changelog.splitlines():
        if line.startswith("## "):
            version = _version(line)
            wanted = bool(version and first and last and first < version <= last)
        if wanted:
            lines.append(line)
    return lines


def _version(heading: str) -> Version | None:
    found = HEADING.match(heading)
    try:
        return Version(found[1]) if found else None
    except InvalidVersion:
        return None


def _must(notes: list[str]) -> list[str]:
    """The points under a "You must" heading, and those that begin with these words."""
    inside, found = False, []
    for line in notes:
        if line.startswith("#") or (line.strip() and not line.startswith((" ", "-", "*")) and MUST.search(line)):
            inside = bool(MUST.search(line))
        elif re.match(r"[-*] ", line) and (inside or MUST.search(line[:16])):
            found.append(re.sub(r"^[-*] (\*\*you must\*\*:? *)?", "", line, flags=re.IGNORECASE))
        elif line.startswith("  ") and found:
            found[-1] += f" {line.strip()}"
    return found


def _needed(project: Path) -> dict[str, str]:
    try:
        groups = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8")).get("dependency-groups", {})
    except (OSError, ValueError):
        return {}
    return {package(entry): entry for entry in groups.get("core", [])}


def package(requirement: str) -> str:
    """The package that a requirement names, in the one spelling that compares."""
    return str(canonicalize_name(PACKAGE.match(requirement)[0]))  # type: ignore[index]


def _dependencies(before: dict[str, str], after: dict[str, str]) -> dict[str, list[str]]:
    return {
        "new": [after[name] for name in sorted(after.keys() - before.keys())],
        "changed": [after[name] for name in sorted(after.keys() & before.keys()) if after[name] != before[name]],
        "gone": [before[name] for name in sorted(before.keys() - after.keys())],
    }
