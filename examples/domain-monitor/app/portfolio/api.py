"""The portfolio for programs: the same rows as in the table, and one name with all that is known of it."""

from typing import Annotated, Any

from fastapi import APIRouter

from app.domains import Domain
from core import DB
from core.api import page_of, rows_of

from .pages import found
from .table import DOMAINS

router = APIRouter(prefix="/api/domains", tags=["portfolio"])


@router.get("", response_model=page_of(DOMAINS))
def domains(rows: Annotated[Any, rows_of(DOMAINS)]) -> Any:
    """Every name we own or owned; `missing=no` leaves out those that are gone from their account."""
    return rows


@router.get("/{name}")
def one_domain(name: str, db: DB) -> Domain:
    """What is known of one name; null is what nobody told."""
    return found(db, name)
