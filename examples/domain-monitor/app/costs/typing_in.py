"""Prices that people type in for one domain or for many; they beat the account's and the price list's."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, insert, literal
from sqlmodel import col, select

from app.domains import Domain, currency_code
from core import Field, Form, Session

from .models import TypedPrice
from .prices import CURRENCY, PRICE


def wrong_currency(data: dict[str, Any]) -> Sequence[tuple[str, str]]:
    """Whether there is no such currency; the data has its code in capitals after it."""
    try:
        data["currency"] = currency_code(data["currency"])
    except ValueError as error:
        return [("currency", f"{error}.")]
    return []


TYPED = Form(
    TypedPrice,
    Field(TypedPrice.price, label="Price of one renewal"),
    Field(TypedPrice.currency),
    Field(TypedPrice.years, label="For how many years"),
    check=wrong_currency,
)


def type_in(db: Session, where: Sequence[Any], values: Mapping[str, Any], *, said: str) -> int:
    """Give the domains that fulfil the conditions a typed-in price; returns how many."""
    forget(db, where, why=said)
    names = ["domain_id", "price", "currency", "years", "said"]
    given = [Decimal(values["price"]), values["currency"], values["years"], said]
    rows = select(col(Domain.id), *map(literal, given)).where(*where)
    return db.bulk(insert(TypedPrice).from_select(names, rows, include_defaults=False), why=said)


def type_in_each(db: Session, prices: Mapping[str, Mapping[str, Any]], *, said: str) -> None:
    """Give each of these domains, by name, a price for a year of its own."""
    ids = db.execute(select(col(Domain.name), col(Domain.id)).where(col(Domain.name).in_(list(prices))))
    rows = [{"domain_id": id, **prices[name], "years": 1, "said": said} for name, id in ids]
    db.upsert(TypedPrice, rows, key="domain_id")


def told_of(db: Session, names: Sequence[str]) -> dict[str, tuple[Decimal, str]]:
    """The price that counts of each of these domains that has one, with its currency, by name."""
    told = select(col(Domain.name), PRICE, CURRENCY).where(col(Domain.name).in_(names), PRICE.is_not(None))
    return {name: (price, currency) for name, price, currency in db.execute(told)}


def forget(db: Session, where: Sequence[Any], *, why: str) -> int:
    """Forget the typed-in prices of the domains that fulfil the conditions; returns how many there were."""
    domains = select(col(Domain.id)).where(*where)
    return db.bulk(delete(TypedPrice).where(col(TypedPrice.domain_id).in_(domains)), why=why)
