"""The update matrix: what versions of the template do, and what hostile users did, as data."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
USERS_OWN = ("app/", "tests/", "migrations/", "README.md", ".env", "uv.lock", "compose.override.yaml")
TOKEN = "of-the-user"  # whatever a user writes holds it, so that nothing can get lost unseen

Edit = Callable[[Path], None]


def tail(path: str, text: str) -> Edit:
    """Write below what a file says; what is not there is written anew."""

    def edit(root: Path) -> None:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text() if file.exists() else ""
        file.write_text(f"{before}{text}\n")

    return edit


def after(path: str, line: str, text: str) -> Edit:
    """Write below the first line that begins so."""

    def edit(root: Path) -> None:
        before = (root / path).read_text()
        changed = re.sub(rf"^({re.escape(line)}.*)$", lambda m: f"{m[1]}\n{text}", before, count=1, flags=re.MULTILINE)
        assert changed != before, f"{path} has no line {line!r}"
        (root / path).write_text(changed)

    return edit


def replace(path: str, old: str, new: str) -> Edit:
    """Replace a text that is there."""

    def edit(root: Path) -> None:
        before = (root / path).read_text()
        assert old in before, f"{path} does not say {old!r}"
        (root / path).write_text(before.replace(old, new))

    return edit


def write(path: str, content: str | bytes) -> Edit:
    """Write a file."""

    def edit(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())

    return edit


def remove(path: str) -> Edit:
    """Remove a file or folder."""
    return lambda root: shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()


def move(path: str, to: str) -> Edit:
    """Move a file or folder."""

    def edit(root: Path) -> None:
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        (root / path).rename(root / to)

    return edit


def crlf(*patterns: str) -> Edit:
    """Write files with the line ends of Windows."""

    def edit(root: Path) -> None:
        for file in [file for pattern in patterns for file in root.glob(pattern)]:
            file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))

    return edit


@dataclass(frozen=True)
class History:
    """What the new version of the template does; `before` it there may be a pre-release."""

    edits: list[Edit]
    before: list[Edit] = field(default_factory=list)


OLD_MODULE = '"""Of the old version."""\n\n' + "".join(f"NUMBER_{n} = {n}\n" for n in range(30))
REVISION = '''"""{name}."""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = {down}


def upgrade() -> None:
    op.create_table("{table}", sa.Column("id", sa.Integer(), primary_key=True))
'''
CORE_REVISIONS = "core/migrations/versions"
LAST = max(file.name[:4] for file in (ROOT / "template" / CORE_REVISIONS).glob("[0-9]*.py"))
NEXT = f"{int(LAST) + 1:04d}"

# What version 0.1.0 has beside the template as it lies here, for later versions to change.
FIRST = [
    write("template/core/old.py", OLD_MODULE),
    write("template/app/starter_of_old.py", ""),
    after("template/pyproject.toml.jinja", "core = [", '    "idna>=3",'),
    after("template/core/settings.py", "    tool_name: str", "    old_knob: int = 1"),
]

HISTORIES = {
    "core-changed": History([tail("template/core/time.py", "# newer"), tail("template/core/errors.py", "# newer")]),
    "core-added": History([write("template/core/extra.py", '"""New."""\n')]),
    "core-removed": History([remove("template/core/old.py")]),
    "core-renamed": History([move("template/core/old.py", "template/core/older.py")]),
    "starter-changed": History(
        [tail(f"template/{name}", "# newer") for name in ("app/main.py", "app/services/pages.py", "tests/test_tool.py")]
    ),
    "starter-removed": History([remove("template/app/services"), remove("template/app/starter_of_old.py")]),
    "starter-added": History(
        [
            write("template/app/hosts/__init__.py", '"""A new starter."""\n'),
            write("template/tests/test_more.py", ""),
            write("template/migrations/0002_hosts.py", ""),
        ]
    ),
    "dependency-added": History([after("template/pyproject.toml.jinja", "core = [", '    "anyio>=4",')]),
    "dependency-removed": History([replace("template/pyproject.toml.jinja", '    "idna>=3",\n', "")]),
    "setting-renamed": History([replace("template/core/settings.py", "old_knob", "new_knob")]),
    "migration-added": History(
        [
            write(
                f"template/{CORE_REVISIONS}/{NEXT}_extra.py",
                REVISION.format(name="extra", number=NEXT, down=f'"{LAST}"', table="core_extra"),
            )
        ]
    ),
    "skeleton-changed": History(
        [tail(f"template/{name}", "# newer") for name in ("compose.yaml", "Dockerfile", ".gitignore", ".env.example")]
    ),
    "pre-release-between": History(
        [tail("template/core/time.py", "# final"), remove("template/core/draft.py")],
        before=[tail("template/core/time.py", "# draft"), write("template/core/draft.py", '"""Draft."""\n')],
    ),
}

ENV = "CHECK_TIMEOUT_S=2\n# of-the-user\n"
MAIN_WITHOUT_FEATURES = f'"""{TOKEN}."""\n\nfrom core import App\n\napp = App(features=[])\n'

USERS: dict[str, list[Edit]] = {
    "nobody": [],
    "works-in-app": [
        tail("app/main.py", f"# {TOKEN}"),
        tail("app/services/pages.py", f"# {TOKEN}"),
        tail("tests/test_tool.py", f"# {TOKEN}"),
        write("migrations/README.md", f"{TOKEN}\n"),
        write("README.md", f"# {TOKEN}\n"),
    ],
    "had-the-same-ideas": [
        write("core/extra.py", f'"""{TOKEN}."""\n'),
        write("core/older.py", f'"""{TOKEN}."""\n'),
        write("app/hosts/__init__.py", f'"""{TOKEN}."""\n'),
        write("tests/test_more.py", f"# {TOKEN}\n"),
        write("migrations/0002_hosts.py", REVISION.format(name=TOKEN, number="0002", down='"0001"', table="host")),
    ],
    "deleted-the-starters": [
        remove("app/services"),
        remove("app/starter_of_old.py"),
        remove("tests"),
        remove("migrations/0001_services.py"),
        write("app/main.py", MAIN_WITHOUT_FEATURES),
    ],
    "edits-core": [
        tail("core/time.py", f"# {TOKEN}"),
        after("core/old.py", "NUMBER_7", f"# {TOKEN}"),
        after("core/settings.py", "    environment: str", f"    # {TOKEN}"),
    ],
    "edits-pyproject": [
        replace("pyproject.toml", "dependencies = []", f'dependencies = [\n    "idna>=3.10",  # {TOKEN}\n]'),
        after("pyproject.toml", "core = [", f'    "six>=1",  # {TOKEN}'),
        tail("pyproject.toml", f"\n[tool.{TOKEN}]"),
    ],
    "edits-the-container": [
        tail("compose.yaml", f"# {TOKEN}"),
        after("Dockerfile", "EXPOSE", f"# {TOKEN}"),
        write("compose.override.yaml", f"# {TOKEN}\n"),
        tail(".gitignore", f"/{TOKEN}/"),
    ],
    "is-on-windows": [
        tail("compose.yaml", f"# {TOKEN}"),
        crlf("*.yaml", "Dockerfile", "pyproject.toml", ".gitignore", "core/*.py", "app/*.py"),
    ],
    "renames-folders": [
        move("app/services", "app/things"),
        replace("app/main.py", "from . import services", f"# {TOKEN}\nfrom . import things as services"),
        move("tests", "checks"),
        move("Dockerfile", "docker/Dockerfile"),
        tail("docker/Dockerfile", f"# {TOKEN}"),
    ],
    "keeps-binaries": [
        write("app/static/logo.png", b"\x89PNG\r\n\0" + TOKEN.encode() + bytes(range(256))),
        write("core/static/blob.bin", TOKEN.encode() + bytes(range(256))),
        write("core/static/favicon.svg", b"\0binary " + TOKEN.encode()),
    ],
    "has-odd-names": [
        write("app/ünï côdé.txt", TOKEN),
        write("core/-dash and space.txt", TOKEN),
        write("notes/:(top)*.txt", TOKEN),
        write("bin/run", f"#!/bin/sh\n# {TOKEN}\n"),
        lambda root: (root / "bin/run").chmod(0o755),
        lambda root: (root / "link").symlink_to("bin/run"),
    ],
    "left-work-lying-about": [tail("app/main.py", f"# {TOKEN}")],  # and then more, uncommitted: see the test
}

# Where a project lies: a repository of its own, a folder of a larger one, a clone without its history.
LAYOUTS = ("own", "monorepo", "shallow")

# Those that meet in one place; CI always runs them. They end in a conflict where the last word says so.
MEETINGS = [
    ("core-changed", "edits-core", "conflict"),
    ("core-removed", "edits-core", "conflict"),
    ("core-renamed", "edits-core", "clean"),
    ("core-renamed", "had-the-same-ideas", "conflict"),
    ("core-added", "had-the-same-ideas", "conflict"),
    ("starter-changed", "works-in-app", "clean"),
    ("starter-added", "had-the-same-ideas", "clean"),
    ("starter-removed", "deleted-the-starters", "clean"),
    ("dependency-added", "edits-pyproject", "conflict"),
    ("skeleton-changed", "is-on-windows", "conflict"),
    ("skeleton-changed", "edits-the-container", "conflict"),
    ("core-changed", "is-on-windows", "clean"),
    ("pre-release-between", "edits-core", "conflict"),
    ("skeleton-changed", "renames-folders", "clean"),
    ("setting-renamed", "edits-core", "clean"),
]
PAIRWISE = 30


def cells(*, whole: bool) -> list[tuple[str, str, str]]:
    """History, user and layout of each cell: all of them, or few that have each pair that matters.

    The numbers of histories and of users have no common divisor, so counting both up together meets every pair once;
    its first part has every history and every user at least twice, each time with another layout.
    """
    histories, users = list(HISTORIES), list(USERS)
    counted = [
        (histories[n % len(histories)], users[n % len(users)], LAYOUTS[(n + n // len(users)) % len(LAYOUTS)])
        for n in range(len(histories) * len(users))
    ]
    if whole:
        return counted
    meetings = {(history, user) for history, user, _ in MEETINGS}
    rest = [cell for cell in counted if cell[:2] not in meetings][: PAIRWISE - len(meetings)]
    return [cell for cell in counted if cell[:2] in meetings] + rest


@dataclass(frozen=True)
class Deed:
    """A random edit: what is done, to which of the files there are, where in it."""

    kind: str
    which: int
    at: int
    by: str  # TOKEN for a user, who may lose no line

    def __call__(self, root: Path) -> None:
        """Do it; not to the answers, which say what to update."""
        found = [file for file in sorted(root.rglob("*")) if ".git" not in file.parts and not file.is_dir()]
        found = [file for file in found if not file.name.startswith((".copier", "{{", "copier.yml"))]
        file = found[self.which % len(found)]
        mine = f"# {self.by} {self.which} {self.at}"
        match self.kind:
            case "remove":
                file.unlink()
            case "rename":
                file.rename(file.with_name(f"{file.name}-moved{self.at % 3}"))
            case "add":  # both may have the same idea
                write(f"{file.parent.relative_to(root)}/added{self.at % 3}.py", mine)(root)
            case "link":
                file.unlink()
                file.symlink_to(f"nowhere-{self.by}")
            case "folder":
                file.unlink()
                write(f"{file.relative_to(root)}/inside.py", mine)(root)
            case "mode" if not file.is_symlink():
                file.chmod(0o755)
            case written if written in WRITING and not file.is_symlink():
                file.write_bytes(self._written(file.read_bytes().split(b"\n"), mine.encode()))

    def _written(self, lines: list[bytes], mine: bytes) -> bytes:
        at = self.at % len(lines)
        if self.kind == "crlf":
            return b"\r\n".join(line.rstrip(b"\r") for line in lines)
        changed = {
            "insert": [*lines[:at], mine, *lines[at:]],
            "replace": [*lines[:at], mine, *lines[at + 3 :]],
            "cut": lines[:at],
            "append": [*lines, mine],
            "binary": [b"\0" + mine, *lines],
        }[self.kind]
        return b"\n".join(changed)


WRITING = ("insert", "replace", "cut", "append", "crlf", "binary")
DEEDS = (*WRITING, "remove", "rename", "add", "mode")
ODD_DEEDS = (*DEEDS, "link", "folder")  # of users alone: a version of the template has only files

# A template that is updated in no time: for many random versions of it, and many random users.
NUMBERED = "".join(f"line {number}\n" for number in range(12))
SMALL = {
    "copier.yml": (ROOT / "copier.yml").read_text(),
    "template/{{_copier_conf.answers_file}}.jinja": "{{ _copier_answers | to_nice_yaml -}}\n",
    "template/pyproject.toml.jinja": '[project]\nname = "{{ project_name }}"\ndependencies = []\n[tool.pyops]\n',
    **{f"template/{name}": f"{name}\n{NUMBERED}" for name in ("Dockerfile", "compose.yaml", "README.md")},
    **{f"template/core/{name}.py": f"{name}\n{NUMBERED}" for name in ("auth", "time", "static/x", "static/y")},
    **{f"template/{name}": NUMBERED for name in ("app/main.py", "app/services/pages.py", "tests/test_tool.py")},
}
