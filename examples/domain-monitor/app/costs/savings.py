"""Which names cost less at another registrar that we use for the same suffix already.

What is compared is the usual price, the one that most names of a suffix pay at a registrar: a premium name is dear
wherever it is, so it neither makes a registrar look dear nor counts as saved.
"""

from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter

from sqlalchemy import func, select
from sqlmodel import col

from app.domains import SUFFIX, Domain
from core import Session

from .prices import A_YEAR, CURRENCY
from .rates import CENT, Rates


@dataclass(frozen=True)
class Usual:
    """What most names of a suffix pay a year at a registrar, in the currency of the sums."""

    suffix: str
    registrar: str
    price: Decimal
    domains: int


@dataclass(frozen=True)
class Saving:
    """What moving the names of one suffix from one registrar to the cheapest would save a year."""

    now: Usual
    cheapest: Usual

    @property
    def saved(self) -> Decimal:
        """For the names that pay the usual price."""
        return (self.now.price - self.cheapest.price) * self.now.domains


def savings(db: Session, rates: Rates) -> list[Saving]:
    """Every suffix and registrar that another one beats, the largest saving first."""
    found, cheapest = usual(db, rates), dict[str, Usual]()
    for each in sorted(found, key=attrgetter("price"), reverse=True):
        cheapest[each.suffix] = each
    moves = [Saving(each, cheapest[each.suffix]) for each in found]
    return sorted((each for each in moves if each.saved >= CENT), key=attrgetter("saved"), reverse=True)


def usual(db: Session, rates: Rates) -> list[Usual]:
    """The usual price of each suffix at each registrar; of two that are as usual, the lower one."""
    is_kept = (col(Domain.retired_at).is_(None), col(Domain.missing_since).is_(None), col(Domain.registrar) != "")
    rows = select(
        SUFFIX.label("suffix"), col(Domain.registrar), CURRENCY.label("currency"), A_YEAR.label("price")
    ).where(*is_kept)  # fmt: skip
    each = rows.subquery()
    counted = select(*each.c, func.count()).where(each.c.price.is_not(None)).group_by(*each.c)
    found: dict[tuple[str, str], Usual] = {}
    for suffix, registrar, currency, price, count in db.execute(counted):
        converted = rates.convert(price, currency)
        if converted is not None:
            before = found.get((suffix, registrar))
            if before is None or (count, -converted) > (before.domains, -before.price):
                found[suffix, registrar] = Usual(suffix, registrar, converted, count)
    return list(found.values())
