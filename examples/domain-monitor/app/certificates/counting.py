"""How many certificates the hosts that were looked at show."""

from typing import NamedTuple

from sqlalchemy import distinct, func, select
from sqlmodel import col

from app.domains import Domain
from core import Session

from .models import Certificate


class Held(NamedTuple):
    """So many different certificates on so many domains; other hosts of theirs may have more."""

    certificates: int
    domains: int

    @property
    def per_domain(self) -> float:
        """On average."""
        return self.certificates / self.domains if self.domains else 0.0


def held(db: Session) -> Held:
    """What the hosts of the domains that count show; one certificate on two hosts of a domain is one."""
    ours = (col(Domain.missing_since).is_(None), col(Domain.retired_at).is_(None))
    looked_at = select(func.count(distinct(col(Certificate.domain_id)))).join(Domain)
    domains = db.execute(looked_at.where(*ours, col(Certificate.state) != "not looked at")).scalar_one()
    told = (
        col(Certificate.domain_id),
        col(Certificate.issuer),
        col(Certificate.not_before),
        col(Certificate.not_after),
    )
    shown = select(*told).join(Domain).where(*ours, col(Certificate.not_after).is_not(None)).distinct()
    return Held(db.execute(select(func.count()).select_from(shown.subquery())).scalar_one(), domains)
