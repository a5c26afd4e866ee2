"""What the renewal of a domain costs and who says so, as SQL of the table of domains.

A price that a person typed in beats the account's, which beats the price list's. Where nobody says one, there is none.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Date, Integer, String, and_, bindparam, case, func, literal_column, select
from sqlmodel import col

from app.domains import SUFFIX, Domain
from core import Session, today

from .models import ALWAYS, ListPrice, TypedPrice

TODAY = bindparam("today", callable_=today, type_=Date, unique=True)  # asked for by each execution


def typed(attribute: Any) -> Any:
    """What a person typed in for a domain."""
    return select(attribute).where(col(TypedPrice.domain_id) == col(Domain.id)).correlate(Domain).scalar_subquery()


def listed(attribute: Any) -> Any:
    """What the price list says of a domain: of the lines for its registrar and suffix, the last that has begun."""
    fits = (
        col(ListPrice.registrar) == col(Domain.registrar),
        col(ListPrice.suffix) == SUFFIX,
        col(ListPrice.since) <= TODAY,
    )
    last = col(ListPrice.since).desc()
    return select(attribute).where(*fits).order_by(last).limit(1).correlate(Domain).scalar_subquery()


def word(text: str) -> Any:
    """A word of our own, written into the statement."""
    return literal_column(f"'{text}'", String)


PRICE = func.coalesce(typed(TypedPrice.price), Domain.renewal_price, listed(ListPrice.price))
CURRENCY = func.coalesce(typed(TypedPrice.currency), Domain.currency, listed(ListPrice.currency))
IS_TYPED = typed(TypedPrice.domain_id).is_not(None)
IS_IN_ACCOUNT = col(Domain.renewal_price).is_not(None)
IS_LISTED = listed(ListPrice.id).is_not(None)
YEARS = case(
    (IS_TYPED, typed(TypedPrice.years)), (IS_IN_ACCOUNT, literal_column("1", Integer)), else_=listed(ListPrice.years)
)
SAID_BY = case((IS_TYPED, word("typed in")), (IS_IN_ACCOUNT, word("account")), (IS_LISTED, word("price list")))
IS_KNOWN = IS_TYPED | IS_IN_ACCOUNT | IS_LISTED
IS_UNKNOWN = and_(col(Domain.currency).is_(None), ~IS_TYPED, ~IS_LISTED)  # by the currency, which has an index
A_YEAR = PRICE / YEARS


@dataclass(frozen=True)
class Told:
    """What somebody says of the price of one domain."""

    by: str
    price: Decimal
    currency: str
    years: int = 1
    note: str = ""


def prices_of(db: Session, domain: Domain) -> list[Told]:
    """Every price that is told of a domain, the one that counts first."""
    told = []
    if typed_in := db.get(TypedPrice, domain.id):
        told.append(Told("typed in", typed_in.price, typed_in.currency, typed_in.years, typed_in.said))
    if domain.renewal_price is not None and domain.currency:
        told.append(Told("account", domain.renewal_price, domain.currency))
    id = db.execute(select(listed(ListPrice.id)).where(col(Domain.id) == domain.id)).scalar()
    if found := db.get(ListPrice, id) if id else None:
        since = "" if found.since == ALWAYS else f"since {found.since}"
        told.append(Told("price list", found.price, found.currency, found.years, since))
    return told
