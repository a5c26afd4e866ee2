"""What somebody must hear about: two dates that cannot both be right, and deadlines that no registrar tells."""

from collections.abc import Iterator

from app.domains import RED_DAYS, days_left, in_words, shown_name
from core import DB, Finding, alert, today

from ..settings import Settings
from .asking import Subject, servers_of, subjects
from .lifecycle import LATE

CRITICAL_DAYS = 7


@alert(every="1h")
def registry_disagrees(db: DB, settings: Settings) -> Iterator[Finding]:
    """Registrar and registry do not say the same about a domain."""
    for each in ours(db, settings):
        record, registry = each.record, each.known.registry
        text = ""
        if each.disagrees and each.known.registrar and registry:
            text = f"the registrar says {each.known.registrar:%Y-%m-%d}, the registry {registry:%Y-%m-%d}"
        elif record and record.state == "not there":
            text = "its registry does not know the name; look whether it is still registered"
        if text:
            on = each.deadline(today()).on
            is_critical = on is not None and (on - today()).days < CRITICAL_DAYS  # one of both dates is that near
            yield Finding(shown_name(each.name), text, critical=is_critical, on=on, href=f"/domains/{each.name}")


@alert(every="1h")
def last_chance(db: DB, settings: Settings) -> Iterator[Finding]:
    """A domain is being lost, or expires soon by a date that its registrar does not tell."""
    for each in ours(db, settings):
        found = each.deadline(today())
        left = days_left(found.on, today())
        is_late = found.phase in LATE and found.phase != "expired"
        is_untold = each.known.registrar is None and left is not None and left < RED_DAYS
        if is_late or is_untold:
            text = f"{found.phase}, {in_words(left)}. {found.why}"
            is_critical = is_late or (left is not None and left < CRITICAL_DAYS)
            yield Finding(shown_name(each.name), text, critical=is_critical, on=found.on, href=f"/domains/{each.name}")


def ours(db: DB, settings: Settings) -> list[Subject]:
    """The domains that are in their account."""
    return [each for each in subjects(db, servers_of(db, settings.rdap_servers)) if not each.is_missing]
