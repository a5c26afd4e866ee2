"""What the home page shows of the services."""

from sqlalchemy import func
from sqlmodel import col, select

from core import DB, Cell, card

from .alerts import WRONG
from .models import Service


@card("Services down")
def down(db: DB) -> Cell:
    """How many of them do not answer as they should."""
    asked = db.exec(select(func.count()).where(col(Service.checked_at).is_not(None))).one()
    wrong = db.exec(select(func.count()).where(WRONG)).one()
    if not asked:
        return Cell("—", "none was asked yet", tone="unknown", href="/services")
    return Cell(f"{wrong:,}", f"of {asked:,} services", tone="bad" if wrong else "good", href="/services")
