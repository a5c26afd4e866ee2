"""The message of Monday morning."""

from datetime import timedelta

from sqlalchemy import and_, func
from sqlmodel import col, select

from app.domains import AMBER_DAYS, RED_DAYS, Domain, last_day_under
from app.sources import Change, Source, troubles
from core import DB, Run, Session, job, now, today
from core.alerts import open_count, put

from ..settings import Settings
from .pages import IS_LOST, counts, ends_by

NEXT = 10  # names that are told with their day
WEEK = timedelta(days=7)
RENEWAL = {True: "", False: ", does not renew by itself", None: ", nobody says whether it renews by itself"}


@job(cron="0 7 * * 1")
def weekly_digest(db: DB, run: Run, settings: Settings) -> None:
    """Tell the channels once a week what expires, what changed, and which sources are in trouble."""
    told = [*expiries(db), "", *changes(db), *sources(db), f"Findings that want attention: {open_count(db):,}."]
    body = "\n".join([*told, "", f"{settings.url}/domains"])
    title = f"The week of {today()}"
    with run.step("digest") as step:
        step.call(lambda db: step.log(f"put for {put(db, settings, title, body):,} channels"))


def expiries(db: Session) -> list[str]:
    """How many names end when, and the next ones by name."""
    limits = [last_day_under(days, today()) for days in (0, 7, RED_DAYS, AMBER_DAYS)]
    expired, week, red, amber = counts(db, *(and_(ends_by(day), ~IS_LOST) for day in limits))
    total = counts(db, ~IS_LOST)[0]
    said = f"{total:,} domains: {expired:,} expired, {week - expired:,} end within 7 days, "
    lines = [f"{said}{red - expired:,} within {RED_DAYS}, {amber - expired:,} within {AMBER_DAYS}."]
    coming = select(Domain, Source.name).outerjoin(Source, Source.id == Domain.source_id)  # type: ignore[arg-type]
    known = coming.where(col(Domain.expires_at).is_not(None), ~ends_by(limits[0]), ~IS_LOST)
    for domain, account in db.execute(known.order_by(col(Domain.expires_at), col(Domain.name)).limit(NEXT)):
        said = f"{domain.expires_at:%Y-%m-%d} {domain.shown_name} ({account or 'no account'})"
        lines.append(f"{said}{RENEWAL[domain.auto_renew]}")
    return lines


def changes(db: Session) -> list[str]:
    """How many names changed in which way, in the last seven days."""
    lately = select(Change.what, func.count()).where(col(Change.at) >= now() - WEEK).group_by(Change.what)
    found = ", ".join(f"{count:,} {what}" for what, count in db.execute(lately.order_by(Change.what)))
    return [f"Changed in 7 days: {found or 'nothing'}."]


def sources(db: Session) -> list[str]:
    """What is wrong with the sources in use."""
    in_use = db.execute(select(Source.id).where(Source.is_enabled).limit(1)).first()
    return troubles(db, now()) or ["Every source in use is up to date." if in_use else "No source is enabled."]
