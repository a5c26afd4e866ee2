"""The guide says everything that can be set, called and imported."""

import re
from pathlib import Path

import pytest

import core
from core.cli import cli

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = (REPOSITORY / "docs" / "guide.md").read_text()
COMMANDS = sorted(cli.commands)


@pytest.mark.parametrize("name", sorted(core.Settings.model_fields))
def test_the_guide_names_the_setting(name: str) -> None:
    assert f"`{name.upper()}`" in GUIDE


@pytest.mark.parametrize("name", COMMANDS)
def test_the_guide_names_the_command(name: str) -> None:
    assert f"`{name}" in GUIDE


@pytest.mark.parametrize("name", sorted(core.__all__))
def test_the_guide_names_what_can_be_imported(name: str) -> None:
    assert re.search(rf"`[^`]*\b{name}\b[^`]*`", GUIDE)
