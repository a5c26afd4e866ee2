"""Writes code into `app/`, to be read and changed: from the texts in `core/scaffold/`, all of it or nothing."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import added
from edits import check_name, imported, listed, merged, models, read_fields, rebased, unlisted
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core import log, migrations
from core.crypto import Keyring
from core.db import Database
from core.errors import UserError, in_one_line
from core.settings import PROJECT, Settings

KINDS = ("feature", "resource", "page", "job", "alert", "oidc")
APP = PROJECT / "app"
MAIN, SETTINGS = APP / "main.py", APP / "settings.py"
Changes = dict[Path, str | None]
_texts = Environment(
    block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
    trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
    loader=FileSystemLoader(PROJECT / "core" / "scaffold"),
)  # fmt: skip


def add(kind: str, where: str, fields: Sequence[str] = (), *, plural: str = "", when: str = "") -> Iterator[str]:
    """Write a feature, or a part of one ("servers/sync"); yields what was done."""
    owner, slash, name = (where or "oidc").rpartition("/")
    is_whole = kind in ("feature", "resource", "oidc")
    if bool(slash) is is_whole or bool(where) is (kind == "oidc"):
        what = "oidc" if kind == "oidc" else f"{kind} {'NAME' if is_whole else 'FEATURE/NAME'}"
        raise UserError(f"write it like: add {what}")
    feature = check_name(owner or plural or (_many(name) if kind == "resource" else name))
    folder, init = APP / feature, APP / feature / "__init__.py"
    if is_whole and (folder.exists() or folder.with_suffix(".py").exists()):
        raise UserError(f"app/{feature} is there already; choose another name, or another --plural")
    if not is_whole and not init.is_file():
        raise UserError(f"there is no feature app/{feature}; make it first: add feature {feature}")
    columns = read_fields(fields or ["name:str!"], models(APP)) if kind == "resource" else []
    known = {"name": check_name(name), "feature": feature, "fields": columns, "when": when}
    changes = {**_written(kind, known, folder), **_exported(columns)}
    item = feature if is_whole else f"{kind}s"
    file, opening, entry = (MAIN, "features=[", f"{item}.feature") if is_whole else (init, "Feature(", item)
    text, line = file.read_text(), f"from . import {item}"
    if (found := listed(text, opening, entry)) not in (None, text):
        changes[file] = imported(str(found), [line])
    if kind == "oidc" and (based := rebased(before := SETTINGS.read_text())) != before:
        changes[SETTINGS] = based
    is_new = is_whole or added.is_as_written(folder)
    with _applied(changes):
        yield from [f"one is called {name}, many {feature} (or --plural NAME)"] if kind == "resource" else []
        yield from (f"wrote {path.relative_to(PROJECT)}" for path in changes)
        if found is None:
            yield f"{file.relative_to(PROJECT)} is for you to change: {line}, and {opening}…, {entry}"
        elif kind == "resource" and (revision := new_revision(f"add {feature}")):
            yield f"wrote {revision.relative_to(PROJECT)}; then: python -m core migrate"
        if kind == "oidc" and SETTINGS not in changes:
            yield "app/settings.py is for you to change: from .oidc.settings import OidcSettings, and begin with it"
        if is_new:
            added.remember(folder)
        yield from ["then: uv add 'joserfc>=1.8,<2', and set OIDC as app/oidc/settings.py says"] * (kind == "oidc")


def _many(name: str) -> str:
    """The plural of an English word, by the simple rule."""
    if re.search("[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}es" if re.search("(s|x|z|ch|sh)$", name) else f"{name}s"


def _written(kind: str, known: dict[str, Any], folder: Path) -> Changes:
    """The files of a kind: new, or with what is there already."""
    changes: Changes = {}
    parts = re.split(r"^### (.+)\n", _texts.get_template(f"{kind}.txt").render(known), flags=re.MULTILINE)[1:]
    for path, text in zip([folder / part for part in parts[::2]], parts[1::2], strict=True):
        if path.exists() and path.suffix != ".py":
            raise UserError(f"{path.relative_to(PROJECT)} is there already; choose another name")
        changes[path] = merged(path.read_text(), text) if path.exists() else f"{text.rstrip()}\n"
    return changes


def _exported(columns: list[dict[str, Any]]) -> Changes:
    """The packages of the models that are referred to, for features meet only through their package."""
    changes: Changes = {}
    for ref in [column["ref"] for column in columns if column["ref"]]:
        package, model = APP / ref["feature"] / "__init__.py", ref["model"]
        if not re.search(rf"import .*\b{model}\b", text := package.read_text()):
            changes[package] = imported(text, [f"from .{ref['module']} import {model} as {model}"])
    return changes


def remove(feature: str, *, drop_tables: bool, force: bool = False) -> Iterator[str]:
    """Take a feature away, folder and line; refused while others import it, or nothing could bring it back."""
    folder = APP / check_name(feature)
    if not (folder / "__init__.py").is_file():
        raise UserError(f"there is no feature app/{feature}")
    if not (force or added.is_as_written(folder)) and (lost := _not_in_git(folder)):
        way = "commit everything, then remove; or --force"
        raise UserError(f"only what git has can be brought back: {way} ({lost})")
    others = [p for p in [*APP.rglob("*.py"), *PROJECT.glob("tests/**/*.py")] if folder not in p.parents and p != MAIN]
    users = [place for path in others for place in _imports(path, feature)]
    if users:
        raise UserError(f"app/{feature} is used elsewhere, change that first:\n  " + "\n  ".join(users))
    tables = [table for table, model in models(APP).items() if model["feature"] == feature]
    gone: Changes = {path: None for path in folder.rglob("*") if path.is_file()}
    with _applied({MAIN: unlisted(MAIN.read_text(), feature), **gone}):
        yield f"removed app/{feature} and its line in app/main.py"
        if tables and drop_tables and (revision := new_revision(f"drop {feature}")):
            yield f"wrote {revision.relative_to(PROJECT)} to drop {', '.join(tables)}; then: python -m core migrate"
        elif tables:
            yield f"left in the database: {', '.join(tables)}; to drop: python -m core migrate --new 'drop {feature}'"
    shutil.rmtree(folder)


def _not_in_git(folder: Path) -> str:
    """What stands between this and a project that git can bring back, such as an ignored file of the feature."""
    git = ["git", "-c", "core.quotePath=false", "status", "--porcelain"]
    questions = ([*git, "."], [*git, "--ignored", "--untracked-files=all", str(folder)])
    answers = [subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False) for words in questions]
    lines = [line for answer in answers for line in (answer.stdout + answer.stderr).splitlines()]
    return next((line for line in lines if "__pycache__" not in line), "")


def _imports(path: Path, feature: str) -> Iterator[str]:
    """The lines of a module that import a feature."""
    near = "[.]" if path.parent == APP else "[.][.]"
    using = re.compile(
        rf" *(from ({near}|app[.]){feature}|import app[.]{feature}|from ({near}|app) import .*\b{feature})\b"
    )
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if using.match(line):
            yield f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"


def new_revision(message: str) -> Path | None:
    """Write the next revision of the app's tables: the models beside what the revisions so far make of nothing."""
    from core.migrations import alembic  # here, for it takes a third of a second

    log.configure(Settings.model_construct(log_level="warning", log_format="text"))
    with TemporaryDirectory() as scratch:
        database = Database(f"sqlite:///{scratch}/scratch.db", keyring=Keyring.load(Path(scratch)))
        try:
            histories = [migrations.CORE, migrations.app_history()]
            migrations.upgrade(database, histories, snapshots=Path(scratch))
            return alembic.new_revision(database, histories[1], message)
        finally:
            database.close()


@contextmanager
def _applied(changes: Changes) -> Iterator[None]:
    """Write texts (None deletes) and see that the app loads; when it does not, or the block fails, undo it all."""
    before = {path: path.read_bytes() if path.exists() else None for path in changes}
    folders = {path.parent for path in changes if not path.parent.exists()}
    try:
        for path, text in changes.items():
            path.parent.mkdir(exist_ok=True)
            old = before[path] or b""
            path.unlink() if text is None else path.write_text(
                _tidy(path, old.decode(), text), newline="\r\n" if b"\r\n" in old else "\n"
            )
        import_module("app.main")
        yield
    except BaseException as error:  # Ctrl-C, too
        for path, content in before.items():
            path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UserError(f"nothing was changed, for it does not work: {in_one_line(error, PROJECT)}") from error


def _tidy(path: Path, old: str, new: str) -> str:
    """A new text as ruff sorts its imports and formats it; as it is when the old one was not tidy itself."""
    if path.suffix != ".py" or (old and _tidy(path, "", old) != old.replace("\r\n", "\n")):
        return new
    for command in (["check", "--fix-only", "--select=I,F401"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", str(path), "-"]
        done = subprocess.run(ruff, input=new, capture_output=True, text=True, check=False, cwd=PROJECT)
        new = done.stdout or new
    return new
