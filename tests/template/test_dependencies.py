"""One list of core's dependencies, and pins of it without any address."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def pyproject(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())


def core_list(project: dict[str, Any]) -> list[str]:
    listed: list[str] = project["dependency-groups"]["core"]
    return listed


def development_list() -> list[Requirement]:
    project = pyproject(ROOT / "pyproject.toml")
    own = [entry for entry in project["dependency-groups"]["dev"] if isinstance(entry, str)]
    return [Requirement(line) for line in [*core_list(project), *own, *project["project"]["dependencies"]]]


def pins(python: str) -> dict[str, str]:
    """The pinned versions that apply to a Python on Linux."""
    lines = map(Requirement, (ROOT / "requirements-dev.txt").read_text().splitlines())
    here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    return {
        line.name: str(line.specifier).removeprefix("==")
        for line in lines
        if line.marker is None or line.marker.evaluate(here)
    }


def test_the_development_environment_has_cores_own_list(project: Path) -> None:
    assert core_list(pyproject(project / "pyproject.toml")) == core_list(pyproject(ROOT / "pyproject.toml"))


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_the_pins_satisfy_every_list(python: str) -> None:
    pinned = pins(python)
    missing = [line for line in development_list() if not line.specifier.contains(pinned.get(line.name, "0"))]
    assert missing == []


def test_the_pins_name_no_address() -> None:
    text = (ROOT / "requirements-dev.txt").read_text()
    assert re.search(r"://|^-|@ |#", text, re.MULTILINE) is None


def test_a_projects_own_tools_are_the_ones_it_is_developed_with(project: Path) -> None:
    tools = pyproject(project / "pyproject.toml")["dependency-groups"]["dev"]
    assert set(tools) <= {str(entry) for entry in pyproject(ROOT / "pyproject.toml")["dependency-groups"]["dev"]}


def test_the_users_dependencies_start_empty_and_apart(project: Path) -> None:
    generated = pyproject(project / "pyproject.toml")
    assert generated["project"]["dependencies"] == []
    assert generated["tool"]["uv"] == {"package": False, "default-groups": ["core", "dev"]}
