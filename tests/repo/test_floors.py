"""The floors of core: who may import whom, and which module speaks to which library (DESIGN §4)."""

import ast
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CORE = REPOSITORY / "template" / "core"

# Each floor from left to right; a module imports from lower floors, and from those to its left.
FLOORS = [
    ["errors", "time", "marks"],
    [
        "settings",
        "log",
        "http",
        "audit",
        "crypto",
        "db",
        "migrations",
        "auth",
        "security",
        "ui",
        "sheets",
        "tables",
        "forms",
        "imports",
        "charts",
    ],
    ["pages", "api", "jobs", "alerts"],
    ["feature", "scheduler"],
    ["builtin", "app"],
    [
        "selfcheck",
        "cli",
        "testing",
        "__init__",
        "__main__",
    ],
]
PLACE = {name: (floor, place) for floor, names in enumerate(FLOORS) for place, name in enumerate(names)}

# The stack itself may be imported anywhere; every other library has one module of core that speaks to it.
STACK = {"fastapi", "starlette", "sqlmodel", "sqlalchemy", "pydantic", "pydantic_core", "jinja2", "markupsafe", "anyio"}
IMPORTERS = {
    "alembic": "migrations",
    "apprise": "alerts",
    "apscheduler": "scheduler",
    "bs4": "testing",
    "click": "cli",
    "cronsim": "jobs",
    "cryptography": "crypto",
    "httpcore2": "http",
    "httpx2": "http",
    "icalendar": "builtin",
    "openpyxl": "sheets",
    "pwdlib": "auth",
    "pydantic_settings": "settings",
    "pytest": "testing",
    "structlog": "log",
    "uvicorn": "cli security",  # security: only its reading of X-Forwarded-*
}

FILES = sorted(path for path in CORE.rglob("*.py") if "versions" not in path.parts)


def module_of(path: Path) -> str:
    """The module of core that a file belongs to: `tables/view.py` is of `tables`."""
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, int]]:
    """What a file imports, as absolute dotted names, with line numbers; type-checking imports count too."""
    package = ["core", *path.relative_to(CORE).parts[:-1]]
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found += [(f"{stem}.{alias.name}" if stem == "core" else stem, node.lineno) for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CORE).as_posix())
def test_a_module_imports_only_from_below_or_from_its_left(path: Path) -> None:
    own = module_of(path)
    used = {(name.split(".")[1], line) for name, line in imports(path) if name.startswith("core.")}
    wrong = [f"line {line}: {name}" for name, line in used if name != own and PLACE[name] >= PLACE[own]]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CORE).as_posix())
def test_a_library_is_imported_by_its_one_module(path: Path) -> None:
    libraries = {name.split(".")[0] for name, _ in imports(path)} - {"core"} - STACK - sys.stdlib_module_names
    assert [name for name in sorted(libraries) if module_of(path) not in IMPORTERS.get(name, "").split()] == []


def test_every_module_of_core_has_a_floor() -> None:
    assert {module_of(path) for path in FILES} == set(PLACE)


@pytest.mark.parametrize("app", ["template/app", "examples/domain-monitor/app"])
def test_features_import_each_other_only_through_their_package(app: str) -> None:
    root = REPOSITORY / app
    features = {path.name for path in root.iterdir() if (path / "__init__.py").exists()}
    wrong = []
    for path in sorted(root.glob("*/**/*.py")):
        own = path.relative_to(root).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                absolute = node.module.removeprefix("app.") if node.module.startswith("app.") else ""
                parts = (absolute or (node.module if node.level == 2 else "")).split(".")
                inside = {path.stem for path in (root / parts[0]).glob("*.py")} if len(parts) == 1 else set()
                is_inner = len(parts) > 1 or any(alias.name in inside for alias in node.names)
                if is_inner and parts[0] in features and parts[0] != own:
                    wrong.append(f"{path.relative_to(root)}:{node.lineno} imports {'.'.join(parts)}")
    assert not wrong
