"""What `.env` and the compose files set: what of it no setting of the project knows, or nobody can read."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyops_cli import news, trial

COMPOSE = ("compose.yaml", "compose.override.yaml")
FOREIGN_SETTING = re.compile(r"(COMPOSE|DOCKER|UV|PYTHON)_|PATH$|TZ$")

# As python-dotenv reads it: a value may be quoted, and then go on over several lines.
LINE = re.compile(
    r"""[^\S\n]* (?: (?:export[^\S\n]+)? ('[^']+'|[^=\#\s]+) [^\S\n]*
    (?: = [^\S\n]* (?: '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | (?!['"])[^\n]*? ) )? )?
    [^\S\n]* (?:\#[^\n]*)? (?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with what is set; `stops` when the tool does not start with it."""

    text: str
    fix: str
    stops: bool = False


def problems(root: Path) -> Iterator[Problem]:
    """What a start would not tell, or only with a traceback."""
    yield from _unreadable(root / ".env")
    known = news.settings_of(root) | news.settings_of(root, "app")
    for name, place in {**_named(_services(root)), **dict.fromkeys(trial.env_file(root), ".env")}.items():
        if name not in known and not FOREIGN_SETTING.match(name):
            near = difflib.get_close_matches(name, known, n=1)
            fix = f"write {near[0]}" if near else "remove it, or declare it in app/settings.py"
            yield Problem(f"{name} in {place} is no setting of this version", fix)


def kept_from_the_container(root: Path) -> Iterator[Problem]:
    """The settings in `.env` that the compose files do not pass on."""
    services, own = _services(root), news.settings_of(root) | news.settings_of(root, "app")
    if not services or any("env_file" in service for service in services.values()):
        return
    for name in sorted((own & trial.env_file(root).keys()) - _named(services).keys()):
        fix = f"write {name}: under services, tool, environment in compose.override.yaml"
        yield Problem(f"{name} in .env does not reach the container", fix)


def _unreadable(file: Path) -> Iterator[Problem]:
    content = file.read_bytes() if file.is_file() else b""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        yield Problem(f".env:{line} is not UTF-8", "save the file as UTF-8", stops=True)
        return
    at, text = 0, text.replace("\r\n", "\n")
    while at < len(text):
        if (found := LINE.match(text, at)) is None or (found[1] and "=" not in found[0]):
            yield Problem(f".env:{text.count(chr(10), 0, at) + 1} sets nothing", "write NAME=value, or # before it")
        end = text.find("\n", at)
        at = found.end() if found else (end + 1 or len(text))


def _services(root: Path) -> dict[str, dict[str, Any]]:
    """The tool's container as each compose file has it, by the file's name; what cannot be read says nothing."""
    import yaml

    found: dict[str, dict[str, Any]] = {}
    for name in COMPOSE:
        try:
            service = yaml.safe_load((root / name).read_text(encoding="utf-8"))["services"]["tool"]
        except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
            continue
        found |= {name: service} if isinstance(service, dict) else {}
    return found


def _named(services: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The settings under `environment`, and in which file."""
    lists = [(service.get("environment"), file) for file, service in services.items()]
    plain = [(each, file) for each, file in lists if isinstance(each, dict | list)]
    return {str(entry).partition("=")[0]: file for each, file in plain for entry in each}
