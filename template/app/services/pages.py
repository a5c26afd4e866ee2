"""The list of services, and the form to add or change one."""

from typing import Any

from core import DB, Cell, Column, Data, Field, Form, Go, Import, Params, Table, View, action, page

from .models import Service


def answer(status: int | None, row: Any) -> Cell:
    """An HTTP status as a state in words."""
    if row["checked_at"] is None:
        return Cell("not checked yet", tone="unknown")
    if status is None:
        return Cell("no answer", tone="bad", title=row["problem"])
    return Cell(f"answers {status}", tone="good" if status < 400 else "bad")


SERVICES = Table(
    Service,
    Column(Service.name, search=True),
    Column(Service.status, label="State", show=answer),
    Column(Service.took_ms, label="Took (ms)"),
    Column(Service.owner, search=True, filter=True),
    Column(Service.url, label="URL", search=True),
    Column(Service.checked_at, label="Checked"),
    Column(Service.problem, hidden=True),
    sort=Service.name,
    link="/services/{id}",
    empty="Add the first service that should answer.",
)
SERVICE = Form(Service, Field(Service.name), Field(Service.url, label="URL"), Field(Service.owner))
IMPORT = Import(SERVICE, key="name")


@page("/services", nav="Services", icon="activity")
def index(db: DB, params: Params) -> View:
    """Which of our services answer, and how fast."""
    return View("index.html", services=SERVICES.load(db, params))


@page("/services/new", role="operator")
def new(db: DB) -> View:
    """A service that should answer."""
    return View(
        "edit.html",
        title="Add a service",
        form=SERVICE.show(db),
        to="/services",
        button="Add service",
        id=None,
    )


@action("/services")
def add(db: DB, data: Data) -> View | Go:
    """Add a service."""
    form = SERVICE.read(db, data)
    if not form.is_valid:
        return View(
            "edit.html",
            status=422,
            title="Add a service",
            form=form,
            to="/services",
            button="Add service",
            id=None,
        )
    SERVICE.save(db, form)
    return Go(index, toast=f"{form.data['name']} is watched from now on")


@page("/services/import", role="operator")
def import_page() -> View:
    """Many services at once, from a file; you see first what would change."""
    return View("core/import.html", title="Import services", step=IMPORT.show())


@action("/services/import")
def import_services(db: DB, data: Data) -> View | Go:
    """Add and change services from a file."""
    step = IMPORT.take(db, data)
    return Go(index, toast=step.said) if step.said else View("core/import.html", status=step.status, step=step)


@page("/services/{id}", role="operator")
def edit(id: int, db: DB) -> View:
    """Change a service, or stop watching it."""
    service = db.get_or_404(Service, id, "service")
    form = SERVICE.show(db, service)
    return View("edit.html", title=service.name, form=form, to=f"/services/{id}", button="Save", id=id)


@action("/services/{id}")
def save(id: int, db: DB, data: Data) -> View | Go:
    """Change a service."""
    service = db.get_or_404(Service, id, "service")
    form = SERVICE.read(db, data, service)
    if not form.is_valid:
        return View("edit.html", status=422, title=service.name, form=form, to=f"/services/{id}", button="Save", id=id)
    SERVICE.save(db, form, service)
    return Go(index, toast=f"{service.name} is saved")


@action("/services/{id}/delete")
def delete(id: int, db: DB) -> Go:
    """Stop watching a service."""
    service = db.get_or_404(Service, id, "service")
    db.delete(service)
    return Go(index, toast=f"{service.name} is no longer watched")
