"""Core is read in an afternoon (P2), identical everywhere (P1), and few files (P3)."""

import ast
import statistics
import subprocess
from pathlib import Path

import pytest

import core

REPOSITORY = Path(__file__).resolve().parents[2]
CORE = REPOSITORY / "template" / "core"
LINES = {path: len(path.read_text().splitlines()) for path in CORE.rglob("*.py")}
EXAMPLES = sorted(path.parent for path in (REPOSITORY / "examples").glob("*/core"))
# The spine may be longer where it reads as a list.
LONGEST_FUNCTION = 40
SPINE: set[str] = set()
PUBLIC = [
    "App",
    "Cell",
    "Chart",
    "Column",
    "CoreError",
    "CurrentUser",
    "DB",
    "Data",
    "DeclarationError",
    "Encrypted",
    "Feature",
    "Field",
    "Finding",
    "Form",
    "Go",
    "Identity",
    "Import",
    "Params",
    "Refused",
    "Run",
    "Session",
    "Settings",
    "Table",
    "UserError",
    "View",
    "action",
    "alert",
    "card",
    "days_in_words",
    "in_days",
    "job",
    "now",
    "page",
    "today",
]


def tracked(folder: str) -> list[str]:
    """The files of a folder that git tracks or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()


def test_core_has_at_most_6000_lines() -> None:
    assert sum(LINES.values()) <= 6000


def test_the_median_file_of_core_has_at_most_120_lines() -> None:
    assert statistics.median(LINES.values()) <= 120


def test_no_file_of_core_has_more_than_400_lines() -> None:
    assert [path.name for path, lines in LINES.items() if lines > 400] == []


def test_no_function_of_core_has_more_than_40_lines() -> None:
    long = {
        f"{path.relative_to(CORE)}:{node.name}"
        for path in LINES
        if "versions" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    }
    assert long == SPINE


def test_a_rendered_project_has_fewer_than_150_files() -> None:
    assert len(tracked("template")) < 150


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_core_is_byte_identical_in_every_example(example: Path) -> None:
    ours = {name.removeprefix("template/"): (REPOSITORY / name).read_bytes() for name in tracked("template/core")}
    folder = example.relative_to(REPOSITORY).as_posix()
    theirs = {name.removeprefix(f"{folder}/"): (REPOSITORY / name).read_bytes() for name in tracked(f"{folder}/core")}
    assert theirs == ours


def test_there_is_an_example_to_compare_with() -> None:
    assert [path.name for path in EXAMPLES] == ["domain-monitor"]


def test_nothing_in_core_is_rendered() -> None:
    assert [name for name in tracked("template/core") if name.endswith(".jinja")] == []


def test_no_python_file_of_the_template_is_rendered() -> None:
    assert [name for name in tracked("template") if name.endswith(".py.jinja")] == []


def test_the_public_names_of_core_are_these() -> None:
    assert sorted(core.__all__) == PUBLIC


def test_every_public_name_exists() -> None:
    assert [name for name in core.__all__ if not hasattr(core, name)] == []


def test_no_file_names_a_package_registry_or_is_a_lock() -> None:
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb.deb" + "ian.org"]
    found = subprocess.run(
        ["git", "grep", "-IlF", *(f"-e{host}" for host in hosts)], cwd=REPOSITORY, capture_output=True, text=True
    ).stdout.splitlines()
    locks = [name for name in tracked(".") if Path(name).name in ("uv.lock", "package-lock.json", "poetry.lock")]
    assert (found, locks) == ([], [])
