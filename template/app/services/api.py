"""The services for programs: the same rows as on the page, and a way to add one."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints
from sqlmodel import select

from core import DB, Refused
from core.api import page_of, rows_of

from .models import Service
from .pages import SERVICES

router = APIRouter(prefix="/api/services", tags=["services"])


class NewService(BaseModel):
    """A service that should answer."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00]+$")]
    url: Annotated[str, StringConstraints(max_length=500, pattern="^https?://[!-~]+$")]
    owner: Annotated[str, StringConstraints(max_length=80, pattern=r"^[^\x00]*$")] = ""


@router.get("", response_model=page_of(SERVICES))
def services(rows: Annotated[Any, rows_of(SERVICES)]) -> Any:
    """Which of our services answer, and how fast."""
    return rows


@router.get("/{id}")
def one_service(id: int, db: DB) -> Service:
    """One service, and its last answer."""
    return db.get_or_404(Service, id, "service")


@router.post("", status_code=201)
def add_service(new: NewService, db: DB) -> Service:
    """Add a service; 409 when there is one of that name."""
    if db.exec(select(Service).where(Service.name == new.name)).first():
        raise Refused(409, f"There is a service {new.name} already.")
    service = Service(**new.model_dump())
    db.add(service)
    db.flush()
    return service
