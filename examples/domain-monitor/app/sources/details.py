"""What only a name's own answer tells, for registrars whose list is little more than names."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from app.sources.account import Account
from app.sources.failures import HOPELESS, SourceError
from app.sources.listing import Registration
from app.sources.reading import Reading

MINUTES = 20  # of one read, for questions about single names
SOON = timedelta(days=60)  # names that expire by then, or we know not when, are asked about every day


def ask_each(
    account: Account, reading: Reading, ask: Callable[[str], Registration], *, per_minute: int, is_vital: bool = True
) -> None:
    """Ask about every name, or as many as there is time for, the most urgent first.

    A name that could not be asked about keeps what is known of it; where the answer is vital (an expiry that
    stands nowhere else), that puts the list in doubt.
    """
    complain = reading.doubt if is_vital else reading.note
    limit = len(reading.names) if account.is_stand_in else per_minute * MINUTES
    names = in_order(reading.names, account.known, datetime.now(UTC), limit=limit)
    for name in names[:limit]:
        try:
            reading.improve(ask(name))
        except ValueError as error:
            complain(f"the details of {name} cannot be read: {error}")
        except SourceError as error:
            complain(f"no details of {name}: {error}")
            if error.reason in HOPELESS:
                return
    if later := len(names[limit:]):
        reading.note(f"{later:,} of {len(names):,} names keep the details known before; their turn comes on other days")


def in_order(names: Sequence[str], known: Mapping[str, datetime | None], at: datetime, *, limit: int) -> list[str]:
    """Unknown and soon expiring names first; the others follow in turn, beginning elsewhere every day."""
    far = datetime.max.replace(tzinfo=UTC)
    urgent = [name for name in names if (known.get(name) or at) <= at + SOON]
    calm = sorted(name for name in names if (known.get(name) or at) > at + SOON)
    start = at.toordinal() * max(1, limit - len(urgent)) % len(calm) if calm else 0
    return (
        sorted(urgent, key=lambda name: (known.get(name) is not None, known.get(name) or far))
        + calm[start:]
        + calm[:start]
    )
