"""The daily read: the network first, then short writes, one account after the other."""

from datetime import datetime
from functools import partial
from typing import Any

from sqlmodel import col, select, update

from app.groups import assign
from core import DB, CoreError, Run, Session, job, now
from core.jobs import Step

from ..settings import Settings
from .kinds import kind_of
from .listing import Listing
from .models import Source
from .storing import Part, miss, store

ROWS = 1000  # in one transaction, so that nobody waits for it


@job(cron="0 6 * * *", timeout=3600)
def read_sources(db: DB, run: Run, settings: Settings) -> None:
    """Ask every registrar account what we own; one that fails changes nothing and stops no other."""
    sources = db.exec(select(Source.name, Source.id).where(Source.is_enabled).order_by(Source.name)).all()
    ids = {name: id for name, id in sources if id is not None}
    for name in run.track(list(ids)):
        with run.step(name) as step:
            read(db, ids[name], step, timeout_s=settings.source_timeout_s)
    with run.step("groups") as step:
        step.call(lambda db: step.log(f"groups: {assign(db):,} domains moved"))


def read(db: Session, id: int, step: Step, *, timeout_s: float) -> None:
    """Read one account and write what it listed; a failure is written on its row, and raised."""
    at = now()
    try:
        source = db.get_one(Source, id)
        kind = kind_of(source.kind)
        listing = kind.read(kind.account(source.credentials, base_url=source.base_url, timeout_s=timeout_s))
        for start in range(0, len(listing.registrations), ROWS):
            part = Part(id, kind.label, listing.registrations[start : start + ROWS], at)
            step.call(partial(keep, part=part, step=step))
            step.commit()
    except Exception as error:  # the boundary of an account, which must not go on looking well
        why = str(error) if isinstance(error, CoreError) else f"its reading broke off ({type(error).__name__})"
        note(step, id, state="failed", tried_at=at, notes=why)
        step.commit()
        raise
    finish(step, id, listing, at)


def keep(db: Session, *, part: Part, step: Step) -> None:
    """Write a part of a list, and log what it changed."""
    done, elsewhere = store(db, part)
    step.log(f"{done.created:,} new, {done.updated:,} changed, {done.unchanged:,} as before")
    if elsewhere:
        some = ", ".join(elsewhere[:5])
        step.log(f"{len(elsewhere):,} stay with the account that had them first: {some}", level="warning")


def finish(step: Step, id: int, listing: Listing, at: datetime) -> None:
    """Note how far the list came; only a complete one can tell which names are gone."""
    notes = "; ".join(listing.notes)
    if not listing.complete:
        step.log(f"incomplete: {notes}", level="warning")
        note(step, id, state="incomplete", tried_at=at, notes=notes)
        return
    for remark in listing.notes:
        step.log(remark, level="warning")
    step.call(lambda db: step.log(f"{miss(db, source_id=id, at=at):,} are not listed any more"))
    note(step, id, state="complete", tried_at=at, complete_at=at, notes=notes)


def note(step: Step, id: int, **values: Any) -> None:
    """Write how a read went on the source's row."""
    step.write(update(Source).where(col(Source.id) == id).values(**values))
