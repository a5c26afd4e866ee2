"""What the home page shows of the work to come."""

from core import DB, Cell, card

from .models import assumptions
from .phases import LAST
from .work import per_group, together


@card("Certificate handwork")
def handwork(db: DB) -> Cell:
    """Hours a year for certificates and validations, under the limits of 2029."""
    total = together(per_group(db))
    if not total.domains:
        return Cell("—", "worked out as soon as there are domains", tone="unknown", href="/automation")
    then = total.in_phase(LAST, assumptions(db))
    if not then.hours:
        return Cell("0 h", "nothing is left to do by hand", tone="good", href="/automation")
    note = f"a year from {LAST.since}; {round(total.percent_automated or 0)} % automated"
    return Cell(f"{round(then.hours):,} h", note, tone="warn", href="/automation")
