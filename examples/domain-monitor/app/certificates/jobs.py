"""The look at every host: some thousand at a time over the network, then short writes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlmodel import col, delete, select

from app.domains import Domain
from app.sources import is_left_alone
from core import DB, CoreError, Run, Session, job, now

from ..settings import Settings
from .looking import Looker, Shown, browsers
from .models import Certificate, ExtraHost

AT_ONCE = 2_000  # hosts between two writes
ROWS = 500  # in one transaction
FRESH_FOR = timedelta(hours=20)
NEAR = timedelta(days=14)  # from here on a host is looked at every hour, to see the new certificate soon
FEW = 5  # listeners; when more are gone at a time, our own network is in doubt


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a domain, and what is known of it."""

    name: str
    domain_id: int
    state: str = ""
    checked_at: datetime | None = None
    not_after: datetime | None = None
    is_left_alone: bool = False

    def is_due(self, at: datetime) -> bool:
        """Whether to look at it now."""
        if self.is_left_alone:
            return False
        is_well = self.state != "not accepted" and not (self.not_after and self.not_after - at < NEAR)
        return self.checked_at is None or not is_well or at - self.checked_at >= FRESH_FOR


@job(every="1h", timeout=3000)
def check_certificates(db: DB, run: Run, settings: Settings) -> None:
    """Look at the certificate of every host: once a day, and every hour where it ends soon or is not accepted."""
    allow, timeout_s = settings.certificates_internal, settings.certificates_timeout_s
    check(db, run, Looker(browsers(), allow_internal=allow, timeout_s=timeout_s))


def check(db: Session, run: Run, looker: Looker) -> None:
    """Look at the hosts that are due, and forget those that are no longer ours."""
    at, known = now(), hosts(db)
    due = [host for host in known if host.is_due(at)]
    with run.step("hosts") as step:
        step.log(f"{len(known):,} hosts, {len(due):,} to look at now")
        step.call(partial(forget, kept={host.name for host in known}))
    for part in run.track([due[start : start + AT_ONCE] for start in range(0, len(due), AT_ONCE)]):
        with run.step(f"{part[0].name} …") as step:
            shown = looker.look_at([host.name for host in part])
            insist_on_our_network(part, shown)
            ids = {host.name: host.domain_id for host in part}
            for start in range(0, len(shown), ROWS):
                rows = [row_of(each, ids[each.host], at) for each in shown[start : start + ROWS]]
                step.upsert(Certificate, rows, key="host")
                step.commit()
            if silent := len(part) - len(shown):
                step.log(f"of {silent:,} the DNS said nothing now; they stay as they were", level="warning")


def hosts(db: Session, domain_id: int | None = None) -> list[Host]:
    """The hosts of every domain that we still have: its own name, www, and what people added."""
    wanted = [col(Domain.retired_at).is_(None)] if domain_id is None else [col(Domain.id) == domain_id]
    owners: dict[str, tuple[int, bool]] = {}
    for id, name, is_off in db.execute(select(Domain.id, Domain.name, is_left_alone()).where(*wanted)):
        owners |= dict.fromkeys((name, f"www.{name}") if not name.startswith("www.") else (name,), (id, is_off))
    added = select(ExtraHost.name, ExtraHost.domain_id, is_left_alone()).join(Domain).where(*wanted)
    owners |= {name: (id, is_off) for name, id, is_off in db.execute(added.order_by(ExtraHost.name))}
    told: list[Any] = [Certificate.host, Certificate.state, Certificate.checked_at, Certificate.not_after]
    known = {host: said for host, *said in db.execute(select(*told).join(Domain).where(*wanted))}
    found = []
    for name, (id, is_off) in owners.items():
        state, checked_at, not_after = known.get(name, ("", None, None))
        found.append(Host(name, id, state, checked_at, not_after, is_off))
    return found


def row_of(shown: Shown, domain_id: int, at: datetime) -> dict[str, Any]:
    """What a host showed, as columns."""
    names = None if shown.names is None else list(shown.names)
    return {**asdict(shown), "names": names, "domain_id": domain_id, "checked_at": at}


def insist_on_our_network(part: Sequence[Host], shown: Sequence[Shown]) -> None:
    """Stop before every host is said to be gone, when it is we who are cut off; CoreError then."""
    had = {host.name for host in part if host.state in ("accepted", "not accepted")}
    gone = [each for each in shown if each.host in had and each.state == "no listener"]
    if len(had) > FEW and len(gone) == len(had):
        raise CoreError(f"none of {len(had):,} hosts can be reached any more; look at the network of this machine")


def forget(db: Session, *, kept: set[str]) -> None:
    """Delete what is known of hosts that are no longer ours."""
    gone = [host for host in db.scalars(select(Certificate.host)) if host not in kept]
    for start in range(0, len(gone), ROWS):
        lost = delete(Certificate).where(col(Certificate.host).in_(gone[start : start + ROWS]))
        db.bulk(lost, why="no longer ours")
