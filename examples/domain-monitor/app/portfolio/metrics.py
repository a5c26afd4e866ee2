"""The portfolio for Prometheus; give the scraper a token: token create --role viewer --scope read --scope /metrics."""

from datetime import datetime, timedelta

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import case, func
from sqlmodel import col, select
from starlette.responses import Response

from app.domains import AMBER_DAYS, RED_DAYS, Domain, last_day_under
from app.sources import Source
from core import DB, Session, now, today

from .pages import IS_LOST, IS_RETIRED, ends_by

router = APIRouter(tags=["metrics"])
STATES = ("expired", "under_30_days", "under_90_days", "later", "expiry_unknown", "missing", "retired")


@router.get("/metrics", response_class=Response)
def metrics(db: DB) -> Response:
    """How many domains are in which state, when the next one ends, and how old each source's list is."""
    registry = CollectorRegistry()
    domains = Gauge("domains", "Domains by what comes next for them.", ["state"], registry=registry)
    for state, count in states(db).items():
        domains.labels(state).set(count)
    if (first := next_expiry(db)) is not None:
        left = Gauge(
            "domains_next_expiry_seconds", "Until the next domain ends; what expired is not it.", registry=registry
        )
        left.set((first - now()).total_seconds())
    age = Gauge("domains_source_age_seconds", "Since a source was read to its end.", ["source"], registry=registry)
    well = Gauge(
        "domains_source_up", "1 when its last read was complete and is not old.", ["source"], registry=registry
    )
    for source in db.exec(select(Source).where(Source.is_enabled)):
        well.labels(source.name).set(source.state == "complete" and not source.trouble(now()))
        if source.complete_at:
            age.labels(source.name).set((now() - source.complete_at).total_seconds())
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def states(db: Session) -> dict[str, int]:
    """How many domains are in each state; each is in one of them."""
    expired, red, amber = (ends_by(last_day_under(days, today())) for days in (0, RED_DAYS, AMBER_DAYS))
    unknown = col(Domain.expires_at).is_(None)
    tests = [(IS_RETIRED, "retired"), (IS_LOST, "missing"), (unknown, "expiry_unknown"), (expired, "expired")]
    state = case(*tests, (red, "under_30_days"), (amber, "under_90_days"), else_="later")
    found = {name: count for name, count in db.execute(select(state, func.count()).group_by(state))}
    return {name: found.get(name, 0) for name in STATES}


def next_expiry(db: Session) -> datetime | None:
    """When the next domain ends; a bare day ends with that day."""
    ahead = (col(Domain.expires_at).is_not(None), ~ends_by(last_day_under(0, today())), ~IS_LOST)
    soonest = select(Domain.expires_at, Domain.expires_is_day).where(*ahead).order_by(col(Domain.expires_at)).limit(1)
    found = db.execute(soonest).first()
    return found[0] + timedelta(days=found[1]) if found else None
