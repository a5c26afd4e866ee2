"""The made-up portfolio."""

from collections import Counter
from datetime import date

import pytest
from sqlmodel import select

from app.domains import Domain, days_left, urgency
from app.sources import Source
from core import Session, UserError
from core.db import Database

from .sample import load, portfolio

DAY = date(2026, 11, 23)


def test_the_same_day_gives_the_same_portfolio() -> None:
    sources = {"Main account": 1, "Europe": 2, "Campaigns": 3, "Bought with Calderra": 4}
    assert list(portfolio(200, DAY, sources)) == list(portfolio(200, DAY, sources))


def test_loading_it_twice_changes_nothing(database: Database) -> None:
    load(database, size=200, day=DAY)
    assert load(database, size=200, day=DAY) == "200 domains: 0 rows created, 0 changed, 0 put into groups"


def test_every_urgency_is_in_it(database: Database, db: Session) -> None:
    load(database, size=300, day=DAY)
    found = Counter(urgency(days_left(domain.expires, DAY)) for domain in db.exec(select(Domain)))
    assert set(found) == {"", "warn", "bad", "unknown"}


def test_it_is_not_mixed_with_real_sources(database: Database, db: Session) -> None:
    db.add(Source(name="Our account", kind="namecom"))
    db.commit()
    with pytest.raises(UserError, match="Our account"):
        load(database, size=10, day=DAY)
