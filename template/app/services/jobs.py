"""The job that asks each service whether it is there."""

from time import perf_counter
from urllib.parse import urlsplit

from sqlalchemy import update
from sqlmodel import col, select

from core import DB, Run, job, now
from core.http import Client, HttpError

from ..settings import Settings
from .models import Service


@job(every="5m", timeout=240)
def check(db: DB, run: Run, settings: Settings) -> None:
    """Ask every service whether it answers."""
    for id, name, url in run.track(db.exec(select(Service.id, Service.name, Service.url)).all()):
        with run.step(name) as step:
            status, took_ms, problem = ask(url, settings.check_timeout_s)
            if problem:
                step.log(f"{name}: {problem}", level="warning")
            values = {"status": status, "took_ms": took_ms, "problem": problem, "checked_at": now()}
            step.write(update(Service).where(col(Service.id) == id).values(**values))


def ask(url: str, timeout_s: float) -> tuple[int | None, int | None, str]:
    """The HTTP status and milliseconds of one request, or None and why there was no answer."""
    parts = urlsplit(url)
    started = perf_counter()
    try:
        with Client(f"{parts.scheme}://{parts.netloc}", timeout_s=timeout_s, attempts=1) as client:
            status = client.get(parts.path or "/").status
    except HttpError as error:
        return None, None, str(error)
    return status, round((perf_counter() - started) * 1000), ""
