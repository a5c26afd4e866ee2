"""The guide says everything that can be set, called and imported."""

import pkgutil
import re
from pathlib import Path

import click
import pytest

import core
from core.cli import cli

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = (REPOSITORY / "docs" / "guide.md").read_text()
COMMANDS = [  # of a group each of its own: "jobs list"
    f"{name} {own}" if own else name
    for name, command in sorted(cli.commands.items())
    for own in (sorted(command.commands) if isinstance(command, click.Group) else [""])
]


@pytest.mark.parametrize("name", sorted(core.Settings.model_fields))
def test_the_guide_names_the_setting(name: str) -> None:
    assert f"`{name.upper()}`" in GUIDE


@pytest.mark.parametrize("name", COMMANDS)
def test_the_guide_names_the_command(name: str) -> None:
    assert f"`{name}" in GUIDE


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(core(?:\.\w+)+)", GUIDE)) - {"core.tidy"}))  # a job
def test_what_the_guide_names_of_core_is_there(name: str) -> None:
    assert pkgutil.resolve_name(name)


@pytest.mark.parametrize("name", sorted(core.__all__))
def test_the_guide_names_what_can_be_imported(name: str) -> None:
    assert re.search(rf"`[^`]*\b{name}\b[^`]*`", GUIDE)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        *(f"docs/{page}.md" for page in ("guide", "decisions", "update", "ways-out")),
        "examples/domain-monitor/README.md",
    ],
)
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (REPOSITORY / name).read_text())
    assert [link for link in links if not (REPOSITORY / name).parent.joinpath(link).exists()] == []
