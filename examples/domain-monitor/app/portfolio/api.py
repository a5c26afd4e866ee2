"""The portfolio for programs: the same rows as on the page, found in the same way."""

from typing import Annotated, Any

from core.api import page_of, rows_of
from fastapi import APIRouter

from .table import DOMAINS

router = APIRouter(prefix="/api", tags=["portfolio"])


@router.get("/domains", response_model=page_of(DOMAINS))
def domains(rows: Annotated[Any, rows_of(DOMAINS)]) -> Any:
    """Every domain, the most urgent first."""
    return rows
