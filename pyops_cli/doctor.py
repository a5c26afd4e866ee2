"""`pyops doctor`: what is wrong with a project or the machine under it, and how to mend each thing."""

import ast
import http.client
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyops_cli import answers, environment, leftovers, pristine, project, trial, versions
from pyops_cli.errors import EXIT_FAILED, CommandError
from pyops_cli.git import GitError, git

OK, WARN, FAIL = "ok", "warn", "fail"
MOUNTS = Path("/proc/mounts")
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"}
CLOCK_TOLERANCE_S = 300
DIFF_LINES = 12
REVISION = re.compile(r"""^(revision|down_revision)\b[^=]*=\s*["'](\w+)["']""", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """The answer of one check: `fix` says what to do about it."""

    check: str
    level: str
    text: str
    fix: str = ""
    detail: str = ""


def examine(root: Path, *, offline: bool) -> list[Finding]:
    """Run every check; one that cannot be done says so and does not stop the others."""
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("merge", lambda: _merge(root)),
        ("version", lambda: _version(root, offline=offline)),
        ("lock", lambda: _lock(root)),
        ("settings", lambda: _settings(root)),
        ("data", lambda: _data(root)),
        ("database", lambda: _database(root)),
        ("port", lambda: _port(root)),
        ("clock", lambda: _clock(root)),
    ]
    found = []
    for name, check in checks:
        try:
            found += list(check()) or [Finding(name, OK, "")]
        except GitError as error:
            found.append(Finding(name, WARN, f"git says: {error}"))
        except CommandError as error:
            found.append(Finding(name, FAIL if error.exit_code != EXIT_FAILED else WARN, str(error)))
        except Exception as error:  # the boundary of a check: what it reads may hold anything
            found.append(Finding(name, WARN, f"could not be examined: {error}"))
    return found


def as_text(found: list[Finding]) -> str:
    """One line for each check, and under what is wrong its fix."""
    lines = []
    for each in found:
        lines.append(f"{each.level:5} {each.check:9} {each.text}".rstrip())
        lines += [f"      {line}" for line in each.detail.splitlines()[:DIFF_LINES]]
        lines += [f"      fix: {each.fix}"] if each.fix else []
    return "\n".join(lines)


def as_json(found: list[Finding]) -> dict[str, Any]:
    """The findings as plain data; `ok` says whether none is a failure."""
    return {"ok": all(each.level != FAIL for each in found), "findings": [asdict(each) for each in found]}


def _merge(root: Path) -> Iterator[Finding]:
    for line in leftovers.of(root):
        yield Finding("merge", FAIL, line, "decide, then: pyops update --finish; or: pyops update --abort")


def _version(root: Path, *, offline: bool) -> Iterator[Finding]:
    """The answers file, the version, and core/ against it: all that needs the template."""
    asked = answers.read(root)
    with versions.opened(asked.source, offline=offline) as template:
        if template.commit(asked.commit) is None:
            gone = f"the template {asked.source.url} no longer has {asked.commit}, which the project is of"
            yield Finding("version", FAIL, gone, "write a version that it has into .copier-answers.yml (_commit)")
            return
        newest = template.newest(pre=False)
        behind = versions.version_of(newest) is not None and template.is_older(asked.commit, newest)
        text = f"{asked.commit}; {newest} is there" if behind else asked.commit
        yield Finding("version", OK, text, "pyops update --plan" if behind else "")
        if not (root / pristine.CORE).is_dir():
            yield Finding("core", FAIL, "core/ is gone", "pyops core restore")
            return
        for each in pristine.differences(root, template, asked.commit):
            yield _core(each)


def _core(each: pristine.Difference) -> Finding:
    back = f"pyops core restore {each.path}"
    if each.kind == "added":
        fix = f"move it to app/: {each.belongs}"
        return Finding("core", WARN, f"{each.path} is no file of this version", fix)
    fix = back if each.kind == "missing" else f"{each.belongs}; then: {back}"
    return Finding("core", FAIL, f"{each.path} is {each.kind}", fix, each.diff)


def _lock(root: Path) -> Iterator[Finding]:
    if not (root / "uv.lock").is_file():
        yield Finding(
            "lock", WARN, "there is no uv.lock, so the image takes what it finds", "pyops dev, then commit it"
        )
        return
    done = project.uv(root, "lock", "--check", "--offline")
    if done.returncode != 0:
        stale = "needs to be updated" in done.stderr
        text = "uv.lock does not fit pyproject.toml" if stale else "uv.lock could not be compared without a network"
        yield Finding("lock", FAIL if stale else WARN, text, "uv lock, then commit it", done.stderr.strip())


def _settings(root: Path) -> Iterator[Finding]:
    for each in (*environment.problems(root), *environment.kept_from_the_container(root)):
        yield Finding("settings", FAIL if each.stops else WARN, each.text, each.fix)
    given = trial.configured(root)
    if (python := project.python_of(root)).exists():
        command, around = [str(python), "-m", "core", "settings"], project.surroundings()
        done = subprocess.run(command, cwd=root, env=around, capture_output=True, text=True, check=False)
        for line in done.stderr.splitlines()[1:] if "settings are wrong" in done.stderr else []:
            yield Finding("settings", FAIL, line.strip(), "write another value into .env or the environment")
    for name in sorted(_required(root / "app/settings.py") - given.keys()):
        yield Finding("settings", FAIL, f"{name} is not set", f"write it into .env: {name}=…")


def _required(file: Path) -> set[str]:
    """The settings in a file that have no default."""
    try:
        classes = [node for node in ast.walk(ast.parse(file.read_bytes())) if isinstance(node, ast.ClassDef)]
    except (OSError, SyntaxError):
        return set()
    return {
        node.target.id.upper()
        for kind in classes
        for node in kind.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not _has_default(node.value)
    }


def _has_default(value: ast.expr | None) -> bool:
    if not isinstance(value, ast.Call):
        return value is not None
    first = value.args[0] if value.args else None
    named = {keyword.arg for keyword in value.keywords} & {"default", "default_factory"}
    return bool(named) or (first is not None and not (isinstance(first, ast.Constant) and first.value is Ellipsis))


def _data(root: Path) -> Iterator[Finding]:
    folder = trial.data_folder(root)
    place = next(each for each in (folder, *folder.parents) if each.exists())
    unwritable = [each for each in (place, *folder.glob("app.db*")) if not os.access(each, os.W_OK)]
    if unwritable:
        yield Finding("data", FAIL, f"{unwritable[0]} cannot be written", f"chown -R {os.getuid()} {folder}")
    if (kind := _file_system(place)) in NETWORK_FILE_SYSTEMS:
        yield Finding("data", FAIL, f"{folder} is on {kind}, where SQLite corrupts", "a local disk, or DATABASE_URL")


def _file_system(place: Path) -> str:
    try:
        mounts = [line.split()[1:3] for line in MOUNTS.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    above = [(point, kind) for point, kind in mounts if place.resolve().is_relative_to(point.replace("\\040", " "))]
    return max(above, key=lambda mount: len(mount[0]), default=("", ""))[1]


def _database(root: Path) -> Iterator[Finding]:
    url = trial.configured(root).get("DATABASE_URL", "")
    if url and not url.startswith("sqlite:///"):
        yield Finding("database", OK, "not SQLite: see /-/ready")
        return
    file = root / url.removeprefix("sqlite:///") if url else trial.data_folder(root) / "app.db"
    if not file.is_file():
        yield Finding("database", OK, "none yet; the first start makes it")
        return
    histories = [("core", "core_version", "core/migrations/versions"), ("app", "alembic_version", "migrations")]
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
        for name, table, folder in histories:
            yield from _history(name, _current(database, table), root / folder)


def _current(database: sqlite3.Connection, table: str) -> str:
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
        return ""
    return str((database.execute(f"SELECT version_num FROM {table}").fetchone() or [""])[0])


def _history(name: str, at: str, folder: Path) -> Iterator[Finding]:
    named = [pair for file in folder.glob("*.py") for pair in REVISION.findall(file.read_text(encoding="utf-8"))]
    revisions = {value for key, value in named if key == "revision"}
    heads = revisions - {value for key, value in named if key == "down_revision"}
    if len(heads) > 1:
        fix = "let one follow the other: its down_revision"
        yield Finding("database", FAIL, f"{name}'s revisions end in {' and '.join(sorted(heads))}", fix)
    elif at and at not in revisions:
        text = f"the database is ahead: at {name} revision {at}, which this code does not know"
        yield Finding("database", FAIL, text, "deploy the newer code again, or see 'Back to a snapshot' in the guide")
    elif heads and at not in heads:
        text = f"the database is behind: at {name} revision {at or 'none'} of {heads.pop()}"
        yield Finding("database", WARN, text, "pyops run migrate (a start does it, too)")


def _port(root: Path) -> Iterator[Finding]:
    settings = trial.configured(root)
    host, port = settings.get("HOST", "127.0.0.1"), settings.get("PORT", "8000")
    if not port.isdecimal():
        yield Finding("port", FAIL, f"PORT is {port!r}, no number", "PORT=8000")
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except (OSError, OverflowError) as error:
            if _is_a_tool(host, int(port)):
                yield Finding("port", OK, f"a tool answers on {port} already")
            else:
                yield Finding("port", WARN, f"{host}:{port} cannot be listened on ({error})", "another PORT in .env")


def _is_a_tool(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=1)
    try:
        connection.request("GET", "/-/health")
        return b'"status"' in connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _clock(root: Path) -> Iterator[Finding]:
    """Without asking anybody: the last commit, and what the system knows of its own clock."""
    committed = int(git("log", "-1", "--format=%ct", cwd=root).strip() or 0)
    if committed > time.time() + CLOCK_TOLERANCE_S:
        yield Finding("clock", FAIL, "the last commit is in the future, so the clock is behind", "set it, or run NTP")
    elif shutil.which("timedatectl"):
        command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
        if done.stdout.strip() == "no":
            yield Finding("clock", WARN, "nothing sets the clock of this machine", "timedatectl set-ntp true")
