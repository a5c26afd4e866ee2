"""The registrar accounts: how they are doing, and the forms to add and change one."""

from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from app.domains import Domain
from core import (
    DB,
    Cell,
    Column,
    CurrentUser,
    Data,
    Field,
    Form,
    Go,
    Params,
    Refused,
    Session,
    Table,
    View,
    action,
    now,
    page,
)
from core.forms import FieldView, FormView
from core.time import ago

from ..settings import Settings
from .failures import PASSING, SourceError
from .kind import Kind
from .kinds import KINDS
from .models import Source
from .storing import count_accounts

TONES: dict[str, Any] = {"complete": "good", "incomplete": "warn", "failed": "bad", "never read": "unknown"}
TRIAL_TIMEOUT_S = 10.0  # somebody waits for it in front of a form
KEPT = "Leave it empty to keep the one that is stored."


def state(value: str, row: Any) -> Cell:
    """How the last read went."""
    if not row["is_enabled"]:
        return Cell("disabled", tone="unknown")
    return Cell(value, tone=TONES[value], note=ago(row["tried_at"], now()) if row["tried_at"] else "")


DOMAINS = select(func.count()).where(col(Domain.source_id) == col(Source.id)).correlate(Source).scalar_subquery()
SOURCES = Table(
    Source,
    Column(Source.name),
    Column(Source.kind, label="Registrar", show=lambda value, _: KINDS[value].label),
    Column(DOMAINS, name="domains"),
    Column(Source.state, label="Last read", show=state),
    Column(Source.complete_at, label="Last complete read"),
    Column(Source.notes),
    Column(Source.tried_at, hidden=True),
    Column(Source.is_enabled, hidden=True),
    link="/sources/{id}",
    empty="A source is one registrar account; its domains appear after the first read.",
)
SOURCE = Form(
    Source, Field(Source.name), Field(Source.base_url, label="Base URL"), Field(Source.is_enabled, label="Enabled")
)


@page("/sources", nav="Sources", icon="plug")
def index(db: DB, params: Params, user: CurrentUser) -> View:
    """The registrar accounts that tell us what we own, each read once a day."""
    sources = SOURCES.load(db, params)
    if not user.can("admin"):  # whom a source's own page is for
        for row in sources.rows:
            row.href = ""
    return View("index.html", sources=sources)


@page("/sources/new", role="admin")
def choose() -> View:
    """Which registrar is the account with?"""
    return View("choose.html", title="Add a source", kinds=KINDS.values())


@page("/sources/new/{kind}", role="admin")
def new(kind: str, db: DB) -> View:
    """An account that is read from tomorrow on, or as soon as you say so."""
    return form_of(found_kind(kind), None, shown(SOURCE.show(db), found_kind(kind)))


@action("/sources/new/{kind}", role="admin")
def add(kind: str, db: DB, data: Data, settings: Settings) -> View | Go:
    """Add a source."""
    form = read(db, data, found_kind(kind))
    remark = tried(db, form, found_kind(kind), settings)
    if not form.is_valid:
        return form_of(found_kind(kind), None, form, status=422)
    SOURCE.save(db, form, Source(name="", kind=kind))
    return Go(index, toast=f"{form.data['name']} is added; {remark or 'read it now, or wait until six'}")


@page("/sources/{id}", role="admin")
def edit(id: int, db: DB) -> View:
    """Change an account; stored secrets are never shown."""
    source = found(db, id)
    kind = found_kind(source.kind)
    return form_of(kind, source, shown(SOURCE.show(db, source), kind, source=source))


@action("/sources/{id}", role="admin")
def save(id: int, db: DB, data: Data, settings: Settings) -> View | Go:
    """Change a source."""
    source = found(db, id)
    kind = found_kind(source.kind)
    form = read(db, data, kind, source)
    is_as_before = (form.data["credentials"], form.data.get("base_url")) == (source.credentials, source.base_url)
    remark = "" if is_as_before else tried(db, form, kind, settings)
    if not form.is_valid:
        return form_of(kind, source, form, status=422)
    SOURCE.save(db, form, source)
    return Go(index, toast=f"{source.name} is saved{f'; {remark}' if remark else ''}")


@action("/sources/{id}/delete", role="admin")
def delete(id: int, db: DB) -> Go:
    """Forget an account and its credentials; its domains stay."""
    source = found(db, id)
    db.delete(source)
    db.flush()
    count_accounts(db, source_id=id, at=now(), is_complete=False)  # a name in two accounts may be in one now
    return Go(index, toast=f"{source.name} is deleted; its domains are still here")


def read(db: Session, data: Data, kind: Kind, source: Source | None = None) -> FormView:
    """The form with what was typed; its data holds the credentials, the stored ones where nothing was typed."""
    stored = dict(source.credentials) if source else {}
    typed = {field.name: str(data.get(field.name) or "").strip() for field in kind.fields}
    given = {
        field.name: typed[field.name] or (stored.get(field.name, "") if field.secret else "") for field in kind.fields
    }
    is_elsewhere = source is not None and (
        str(data.get("base_url") or "").strip() != source.base_url or server_of(given) != server_of(stored)
    )
    form = shown(SOURCE.read(db, data, source), kind, typed=typed, source=source)
    for field in kind.fields:
        if field.required and not given[field.name]:
            form.reject(field.name, "This is needed.")
        elif is_elsewhere and field.secret and given[field.name] and not typed[field.name]:
            form.reject(field.name, "Enter it again: with another base URL it would be sent to another server.")
    if form.is_valid:
        try:
            kind.account(given, base_url=form.data["base_url"])
        except SourceError as error:
            form.reject("", str(error))
    form.data["credentials"] = given
    return form


def server_of(credentials: dict[str, str]) -> str:
    """The server that a JSON list names itself; "" for a registrar, whose server is known."""
    return credentials.get("url", "").partition("//")[2].partition("/")[0]


def tried(db: Session, form: FormView, kind: Kind, settings: Settings) -> str:
    """Ask the registrar for a first page with what was entered, and reject what it rejects.

    Returns a remark where nothing can be said for or against it: then it is saved, and the daily read will tell.
    """
    if not form.is_valid or not form.data["is_enabled"]:
        return ""
    db.rollback()  # nothing is written yet, and nobody may wait for us while we wait for the registrar
    account = kind.account(
        form.data["credentials"],
        base_url=form.data["base_url"],
        timeout_s=TRIAL_TIMEOUT_S,
        attempts=1,
        allow_internal=settings.sources_internal,
    )
    try:
        kind.try_out(account)
    except SourceError as error:
        if error.reason in PASSING:
            return f"it could not be tried: {error}"
        form.reject("", str(error))
    return ""


def shown(form: FormView, kind: Kind, *, typed: dict[str, str] | None = None, source: Source | None = None) -> FormView:
    """The form with the kind's own fields after the name; a secret is never sent to the browser."""
    values = typed if typed is not None else source.credentials if source else {}
    own = [
        FieldView(
            field.name,
            field.label,
            f"{field.help}. {KEPT}" if field.secret and source else f"{field.help}.",
            "password" if field.secret else "text",
            required=field.required and not (field.secret and source),
            value="" if field.secret else values.get(field.name, ""),
        )
        for field in kind.fields
    ]
    form.fields[1:1] = own
    return form


def form_of(kind: Kind, source: Source | None, form: FormView, *, status: int = 200) -> View:
    """The form of a source, or of a new one."""
    if source is None:
        title, to, button = f"Add a {kind.label} account", f"/sources/new/{kind.name}", "Add source"
    else:
        title, to, button = source.name, f"/sources/{source.id}", "Save"
    return View("edit.html", status=status, title=title, form=form, to=to, button=button, source=source, kind=kind)


def found(db: Session, id: int) -> Source:
    """The source of a key; Refused (404) when there is none."""
    source = db.get(Source, id)
    if source is None:
        raise Refused(404, f"There is no source {id}; it may have been deleted.")
    return source


def found_kind(name: str) -> Kind:
    """The kind of a name; Refused (404) when there is none."""
    if name not in KINDS:
        raise Refused(404, f"{name!r} is no kind of source; there are {', '.join(KINDS)}.")
    return KINDS[name]
