"""The daily read: the network first, then short writes, one account after the other."""

from datetime import datetime
from functools import partial
from typing import Any

from sqlmodel import col, select, update

from app.groups import assign, is_settled
from core import DB, CoreError, Run, Session, job, now
from core.jobs import Step

from ..settings import Settings
from .changes import forget
from .changes_notice import tell
from .kinds import kind_of
from .listing import Listing
from .models import Source
from .storing import KEEPS_NAMES, Part, Tally, count_accounts, expiries_of, known_to, miss, store

ROWS = 500  # in one transaction: well under the half second that others may have to wait for it

SOME = 5  # names that a line of the log tells


@job(cron="0 6 * * *", timeout=3600)
def read_sources(db: DB, run: Run, settings: Settings, source: int | None = None) -> None:
    """Ask every registrar account what we own, or only one; one that fails changes nothing and stops no other."""
    enabled = select(Source.name, Source.id).where(Source.is_enabled).order_by(Source.name)
    sources = db.exec(enabled if source is None else enabled.where(Source.id == source)).all()
    if source is not None and not sources:
        raise CoreError(f"There is no source {source} that is enabled; look under Sources.")
    ids, began = {name: id for name, id in sources if id is not None}, now()
    for name in run.track(list(ids)):
        with run.step(name) as step:
            read(db, ids[name], step, settings)
    with run.step("groups") as step:
        step.call(partial(forget, at=now()))
        if not is_settled(db):
            step.call(lambda db: step.log(f"domains that changed their group: {assign(db):,}"))
        step.call(partial(tell, since=began, settings=settings))


def read(db: Session, id: int, step: Step, settings: Settings) -> None:
    """Read one account and write what it listed; a failure is written on its row, and raised."""
    at, tally = now(), Tally()
    try:
        source = db.get_one(Source, id)
        kind = kind_of(source.kind)
        account = kind.account(
            source.credentials,
            base_url=source.base_url,
            timeout_s=settings.source_timeout_s,
            known={name: expires_at for name, expires_at in db.execute(expiries_of(id))},
            allow_internal=settings.sources_internal,
        )
        listing = kind.read(account)
        for start in range(0, len(listing.registrations), ROWS):
            part = Part(id, step.name, kind.label, listing.registrations[start : start + ROWS], at)
            step.call(partial(store, part=part, tally=tally))
            step.commit()
        retire_after = settings.retire_after_reads
        step.call(partial(finish, id=id, step=step, listing=listing, tally=tally, at=at, retire_after=retire_after))
        step.commit()
    except Exception as error:  # the boundary of an account, which must not go on looking well
        why = str(error) if isinstance(error, CoreError) else f"its reading broke off ({type(error).__name__})"
        step.call(partial(note, id=id, state="failed", tried_at=at, notes=why))
        step.commit()
        raise


def finish(
    db: Session, *, id: int, step: Step, listing: Listing, tally: Tally, at: datetime, retire_after: int
) -> None:
    """Say how the read went; only a complete list can tell which names are gone."""
    doubt = doubted(db, id, listing)
    is_complete = listing.complete and not doubt
    notes = "; ".join([*listing.notes, *doubt])
    if is_complete:
        miss(db, source_id=id, source=step.name, at=at, tally=tally, retire_after=retire_after)
        note(db, id=id, state="complete", tried_at=at, complete_at=at, notes=notes)
    else:
        note(db, id=id, state="incomplete", tried_at=at, notes=notes)
    count_accounts(db, source_id=id, at=at, is_complete=is_complete)
    step.log(f"{step.name}: {tally}")
    if notes:
        step.log(f"{step.name}: {'' if is_complete else 'incomplete, '}{notes}", level="warning")
    if tally.elsewhere:
        text = f"{step.name}: {len(tally.elsewhere):,} stay with the account that had them first"
        step.log(f"{text}: {', '.join(tally.elsewhere[:SOME])}", level="warning")
    for other, names in tally.taken.items():
        text = f"{step.name}: {len(names):,} taken over from {other}, not read to the end for {KEEPS_NAMES.days} days"
        step.log(f"{text}: {', '.join(names[:SOME])}", level="warning")


def doubted(db: Session, id: int, listing: Listing) -> list[str]:
    """Why a list is not believed though its end was proven: an empty one would miss every name of its account."""
    if listing.registrations or not (known := known_to(db, id)):
        return []
    said = f"0 names listed, {known:,} known: not believed until it lists a name again; "
    return [f"{said}if the account is empty, delete the source"]


def note(db: Session, *, id: int, **values: Any) -> None:
    """Write how a read went on the source's row."""
    db.bulk(update(Source).where(col(Source.id) == id).values(**values), why="how its read went")
