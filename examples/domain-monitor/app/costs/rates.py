"""Exchange rates of the European Central Bank, and sums in one currency.

A rate is how much of a currency one euro buys. Until rates are fetched, those of one day that come with the tool count;
their day is told beside every sum. What has no rate is not converted: it counts as unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from sqlalchemy import func
from sqlmodel import col, select

from core import CoreError, Session

from .models import EURO, Rate, Reporting

SNAPSHOT = Path(__file__).with_name("eurofxref-daily.xml")
OLD_AFTER = timedelta(days=7)
CUBE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"
CENT = Decimal("0.01")
LARGEST = 10**8  # of a rate; its column holds no more


@dataclass(frozen=True)
class Rates:
    """The rates of a day, and the currency that sums are told in."""

    day: date
    per_euro: Mapping[str, Decimal]
    to: str = EURO

    def convert(self, amount: Decimal, currency: str) -> Decimal | None:
        """An amount in the currency of the sums, not rounded; None without a rate."""
        if currency == self.to:
            return amount
        have, want = self.per_euro.get(currency), self.per_euro.get(self.to)
        return amount * want / have if have and want else None

    def is_old(self, today: date) -> bool:
        """Whether they are so old that sums may mislead."""
        return today - self.day > OLD_AFTER

    @property
    def currencies(self) -> list[str]:
        """Every currency with a rate, by name."""
        return sorted(self.per_euro)


def current(db: Session) -> Rates:
    """The latest rates that we have, and the currency that somebody chose."""
    to = db.execute(select(Reporting.currency)).scalar() or EURO
    shipped, latest = snapshot(), db.execute(select(func.max(Rate.day))).scalar()
    if latest is None or latest < shipped.day:
        return Rates(shipped.day, shipped.per_euro, to)
    rows = db.execute(select(col(Rate.currency), col(Rate.per_euro)).where(Rate.day == latest))
    return Rates(latest, {EURO: Decimal(1)} | {currency: rate for currency, rate in rows}, to)


@cache
def snapshot() -> Rates:
    """The rates that come with the tool."""
    return parse(SNAPSHOT.read_bytes())


def parse(body: bytes) -> Rates:
    """The day and rates of the bank's daily file (eurofxref-daily.xml); CoreError when it is none."""
    try:
        text = body.decode("utf-8-sig")  # as another encoding it could hide a declaration
        if "<!" in text.replace("<!--", ""):
            raise ValueError("it declares a document type")
        days = [cube for cube in ElementTree.fromstring(text).iter(CUBE) if cube.get("time")]
        found = {
            cube.attrib["currency"]: Decimal(cube.attrib["rate"]) for cube in days[0].iter(CUBE) if cube.get("rate")
        }
        if not found or not all(rate.is_finite() and 0 < rate < LARGEST for rate in found.values()):
            raise ValueError("it has no rates, or one that is none")
        return Rates(date.fromisoformat(days[0].attrib["time"]), {EURO: Decimal(1), **found})
    except (ElementTree.ParseError, LookupError, ValueError, InvalidOperation) as error:
        raise CoreError(
            f"this is no daily file of exchange rates ({error or 'no day in it'}); those of before stay in use"
        ) from error
