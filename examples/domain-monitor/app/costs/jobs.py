"""The daily exchange rates."""

from urllib.parse import urlsplit

from core import CoreError, Run, job
from core.http import Client

from ..settings import Settings
from .models import Rate
from .rates import parse

LARGEST = 1_000_000  # bytes; the file has two thousand


@job(cron="30 16 * * 1-5", timeout=300, retries=3)
def fetch_rates(run: Run, settings: Settings) -> None:
    """Ask the European Central Bank for the exchange rates of the day."""
    with run.step("exchange rates") as step:
        address = urlsplit(settings.rates_url)
        with Client(f"{address.scheme}://{address.netloc}", max_bytes=LARGEST) as client:
            reply = client.get(f"{address.path or '/'}{'?' if address.query else ''}{address.query}")
        if reply.status != 200:
            raise CoreError(f"{reply.url_safe} answered {reply.status}; the rates of before stay in use")
        rates = parse(reply.content)
        rows = [{"day": rates.day, "currency": name, "per_euro": rate} for name, rate in rates.per_euro.items()]
        step.upsert(Rate, rows, key=("day", "currency"))
