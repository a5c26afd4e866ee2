"""The work to come, for programs."""

from datetime import date

from fastapi import APIRouter
from pydantic import BaseModel

from core import DB

from .models import assumptions
from .phases import PHASES
from .work import per_group

router = APIRouter(prefix="/api/automation", tags=["automation"])


class YearOfWork(BaseModel):
    """A year of one group under the limits that hold from a day on."""

    group: str
    since: date
    lifetime_days: int
    reuse_days: int
    domains: int
    domains_by_hand: float
    certificates: float
    validations: float
    hours: float
    cost: float
    currency: str


@router.get("")
def automation(db: DB) -> list[YearOfWork]:
    """Certificates, validations and handwork a year, for every group under each limit."""
    assumed = assumptions(db)
    return [
        YearOfWork(
            group=group.name,
            since=phase.since,
            lifetime_days=phase.lifetime_days,
            reuse_days=phase.reuse_days,
            domains=int(group.domains),
            domains_by_hand=float(group.by_hand),
            currency=assumed.currency,
            **{name: float(value) for name, value in vars(group.in_phase(phase, assumed)).items()},
        )
        for group in per_group(db)
        for phase in PHASES
    ]
