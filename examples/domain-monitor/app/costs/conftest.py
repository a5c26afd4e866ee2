"""What the tests of money build their world from."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from app.domains import Domain
from app.groups import Group
from core import Session

from .models import ListPrice

Add = Callable[..., Domain]


@pytest.fixture
def add(db: Session) -> Add:
    """Add a domain: `add("acme.com", "10.50 EUR", group_id=1)`."""

    def made(name: str, price: str = "", **values: Any) -> Domain:
        amount, _, currency = price.partition(" ")
        known: dict[str, Any] = {"renewal_price": Decimal(amount), "currency": currency} if price else {}
        db.add(domain := Domain(name=name, shown_name=name, **known, **values))
        db.commit()
        return domain

    return made


@pytest.fixture
def listed(db: Session) -> Callable[..., None]:
    """Add a line to the price list: `listed("North", "de", "6.50 EUR", years=2)`."""

    def made(registrar: str, suffix: str, price: str, **values: Any) -> None:
        amount, _, currency = price.partition(" ")
        db.add(ListPrice(registrar=registrar, suffix=suffix, price=Decimal(amount), currency=currency, **values))
        db.commit()

    return made


@pytest.fixture
def retail(db: Session) -> Group:
    """A unit."""
    db.add(group := Group(name="Retail"))
    db.commit()
    return group


@pytest.fixture
def campaigns(db: Session, retail: Group) -> Group:
    """One of its purposes."""
    db.add(group := Group(name="Campaigns", parent_id=retail.id))
    db.commit()
    return group
