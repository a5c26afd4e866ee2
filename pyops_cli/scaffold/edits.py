"""Reads a resource's fields, and edits somebody's Python with care: one more thing, and the rest as it was."""

import ast
import keyword
import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlmodel import SQLModel

from core.errors import UserError

_FIELD = re.compile(r"([a-z][a-z0-9_]*):([a-z]+|[\w-]+(?:\|[\w-]+)+)([?!^]*)(?:=(.*))?")
_IN_URLS = set("id q sort page size match cols format table key all back only".split())
_IN_PAGES = set(
    "data db data form field page table column view action params refused session col select go str".split()
)
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("str", "text", "choice", "ref"), str), "int": int, "float": float, "decimal": Decimal,
    "bool": ("false", "true").index, "date": date.fromisoformat, "datetime": ().index,
}  # fmt: skip


def check_name(name: str) -> str:
    """A name as it is; UserError unless a module, a function and an address can have it."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name) or name in _IN_PAGES:
        raise UserError(f"{name!r} cannot be a name: lower-case letters, digits and _, no word that the code needs")
    return name


def models(app: Path) -> dict[str, dict[str, str]]:
    """The app's tables, by name: which feature, module and class, and the attribute that people know a row by."""
    found = {}
    for path in app.glob("*/**/*.py"):
        text = path.read_text()
        for name, body in re.findall(r"^class (\w+)\(.*\btable=True\):\n((?:[ \t].*\n|\n)*)", text, re.MULTILINE):
            table = re.search(r'__tablename__ = "(\w+)"', body)
            label = re.search(r"^    (\w+): str\b", body, re.MULTILINE)
            about = {"feature": path.relative_to(app).parts[0], "module": path.stem, "model": name}
            found[table[1] if table else name.lower()] = about | {"label": label[1] if label else "id"}
    return found


def read_fields(texts: Iterable[str], known: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """What a resource is to have, as in port:int=443; UserError for what it cannot have."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, type_, marks, default = parts.groups() if (parts := _FIELD.fullmatch(text)) else ("", "", "", None)
        kind, choices, table = "choice" if "|" in type_ else type_, type_.split("|"), default or name
        if kind not in _DEFAULTS:
            raise UserError(f"{text!r} is no field; write name:type, port:int=443, kind:web|db: {', '.join(_DEFAULTS)}")
        if name in found or name in _IN_URLS or keyword.iskeyword(name) or hasattr(SQLModel, name):
            raise UserError(f"no field can be called {name!r} here; choose another name")
        if kind == "ref" and table not in known:
            raise UserError(f"{text!r}: there is no table {table}; write {name}:ref=TABLE with one of {[*known]}")
        try:
            is_wrong = (
                default is not None and (_DEFAULTS[kind](default), kind == "choice" and default not in choices)[1]
            )
        except (ValueError, ArithmeticError):
            is_wrong = True
        if is_wrong:
            raise UserError(f"{text!r}: {default!r} is no {kind}")
        ref = known[table] if kind == "ref" else None
        found[name] = dict(name=name, type=kind, choices=choices, marks=marks, default=default, table=table, ref=ref)
    return list(found.values())


def merged(old: str, text: str) -> str:
    """A module's text with the imports and definitions of another one.

    Pages go before the first one whose path has a parameter: "/servers/{id}" would answer for "/servers/map".
    """
    mine, (_, *added) = ast.parse(old).body, ast.parse(text).body  # without its docstring
    imports = [ast.unparse(node) for node in added if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "name", None) for node in mine}
    if twice := [node.name for node in added if isinstance(node, ast.FunctionDef) and node.name in names]:
        raise UserError(f"{twice[0]}() is there already; choose another name")
    code = text.partition("\n\n\n")[2].rstrip()
    before = re.search(r"^@page\(.*{", old, re.MULTILINE) if "@page(" in code else None
    at = before.start() if before else len(old)
    return imported(f"{old[:at]}{code}\n\n\n{old[at:]}" if before else f"{old.rstrip()}\n\n\n{code}\n", imports)


def imported(text: str, imports: Iterable[str]) -> str:
    """A module's text with more imports after its last one."""
    known = [node.end_lineno or 0 for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = text.splitlines()
    lines[max(known, default=1) : max(known, default=1)] = imports
    return "\n".join(lines) + "\n"


def listed(text: str, opening: str, item: str) -> str | None:
    """A text with one more item in the list after an opening, set like the others; None when it is not plain."""
    found = re.search(rf"{re.escape(opening)}([^][()#]*)[])]", text)
    if found is None or item in re.split(r"[\s,]+", found[1]):
        return text if found else None
    end = found.start(1) + len(found[1].rstrip().rstrip(","))
    indent = re.search(r"\n\s*", found[1])
    return f"{text[:end]}{',' if found[1].strip() else ''}{indent[0] if indent else ' '}{item}{text[end:]}"


def rebased(text: str) -> str:
    """The text of app/settings.py whose class begins with oidc's; as it was when that class begins otherwise."""
    new = re.sub(r"^class Settings\(core\.Settings\):", "class Settings(OidcSettings):", text, flags=re.MULTILINE)
    return new if new == text else imported(new, ["from .oidc.settings import OidcSettings"])


def unlisted(text: str, name: str) -> str:
    """The text of app/main.py without a feature's import and item."""

    def without(what: str, where: str) -> str:
        return re.sub(rf"(,\s*)?\b{what}\b(?(1)|(,\s*)?)", "", where, count=1)

    text = re.sub(rf"^from \. import {name}\n", "", without(rf"{name}\.feature", text), flags=re.MULTILINE)
    return re.sub(r"^from \. import .*\b", lambda found: without(name, found[0]), text, flags=re.MULTILINE)
