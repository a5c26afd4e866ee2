"""What one mistake or one outage would take down: names without a lock, and too many eggs in one basket."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import urlencode

from sqlalchemy import String, cast, func
from sqlmodel import col, select

from app.domains import Domain
from app.groups import Group
from app.sources import Source
from core import DB, Finding, alert

from ..settings import Settings

ENOUGH_NAMES = 5  # fewer make no portfolio to spread
OURS = (col(Domain.missing_since).is_(None), col(Domain.retired_at).is_(None))
SECOND_LEVEL = ("co", "com", "net", "org", "ac", "gov", "or", "ne")  # of a country: what stands before co.uk


@alert(every="6h", remind="30d")
def unlocked(db: DB) -> Iterator[Finding]:
    """Domains of an account have their transfer lock off."""
    name = func.coalesce(Source.name, "no account")
    found = select(name, func.count(), func.min(Domain.shown_name)).outerjoin(Source, Source.id == Domain.source_id)  # type: ignore[arg-type]
    for account, count, like in db.execute(found.where(col(Domain.locked).is_(False), *OURS).group_by(name)):
        source = "none" if account == "no account" else account
        href = f"/domains?{urlencode({'source': source, 'locked': 'no', 'missing': 'no'})}"
        yield Finding(
            account, f"{count:,} can be moved away by a mistake or a thief, like {like}: lock them", href=href
        )


@alert(every="6h", remind="30d")
def one_account(db: DB, settings: Settings) -> Iterator[Finding]:
    """One account holds most of the portfolio: who loses it, loses that."""
    counted = select(Source.name, func.count()).join_from(Domain, Source)
    held = {name: count for name, count in db.execute(counted.where(*OURS).group_by(col(Source.name)))}
    total = sum(held.values())
    for name, count in held.items():
        percent = 100 * count / total
        if total >= ENOUGH_NAMES and percent > settings.largest_share_percent:
            text = f"holds {percent:.0f} % of all names, more than {settings.largest_share_percent} %"
            yield Finding(name, text, href=f"/domains?{urlencode({'source': name})}")


@alert(every="6h", remind="30d")
def one_dns_provider(db: DB) -> Iterator[Finding]:
    """All names of a group depend on the name servers of one provider."""
    servers = cast(col(Domain.nameservers), String)
    lists = select(Group.name, servers, func.count()).join(Group, Group.id == Domain.group_id)  # type: ignore[arg-type]
    providers: dict[str, set[str]] = defaultdict(set)
    names: dict[str, int] = defaultdict(int)
    known = lists.where(col(Domain.nameservers).is_not(None), *OURS)
    for group, listed, count in db.execute(known.group_by(col(Group.name), servers)):
        if found := providers_of(json.loads(listed)):
            providers[group] |= found
            names[group] += count
    for group, found in providers.items():
        if len(found) == 1 and names[group] >= ENOUGH_NAMES:
            text = f"{names[group]:,} names, all served by {next(iter(found))}: an outage there is one of all of them"
            yield Finding(group, text, href=f"/domains?{urlencode({'group': group})}")


def providers_of(nameservers: Iterable[str]) -> set[str]:
    """Who runs name servers: ns-7.awsdns-12.co.uk and ns-9.awsdns-40.org are both of awsdns.

    Providers spread over suffixes and numbers on purpose; it is the label beside the suffix that stays.
    """
    found = set()
    for server in nameservers:
        labels = server.lower().rstrip(".").split(".")
        is_long = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL
        label = labels[-3 if is_long else -2] if len(labels) > 1 else labels[0]
        found.add(label.rstrip("0123456789").rstrip("-") or label)
    return found
