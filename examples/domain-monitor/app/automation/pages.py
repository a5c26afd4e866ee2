"""The pages of the work to come: for those who do it, for those who pay for it, and what it is worked out with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core import DB, Chart, Data, Field, Form, Go, Session, View, action, page, today

from .models import Assumptions, assumptions
from .phases import BALLOT, LAST, PHASES, Phase, phase_on
from .work import Workload, Yearly, of_one_domain, per_group, whole

LONGEST_LEGEND = 7  # groups with a colour of their own; the others share one

ASSUMED = Form(
    Assumptions,
    Field(Assumptions.certificates_per_domain),
    Field(Assumptions.renew_at, label="Renew at"),
    Field(Assumptions.minutes_per_certificate),
    Field(Assumptions.minutes_per_validation),
    Field(Assumptions.hourly_rate),
    Field(Assumptions.currency),
)


@dataclass(frozen=True)
class Line:
    """One group with its work of a year, by the limits of today and by the last ones."""

    group: Workload
    now: Yearly
    then: Yearly


@page("/automation", nav="Automation", icon="calendar-clock")
def index(db: DB) -> View:
    """The certificate work to come: lifetimes and validations shrink, registrations do not."""
    seen = figures(db)
    groups, assumed = [line.group for line in seen["lines"]], seen["assumed"]
    years = [year for _, year in seen["years"]]
    labels = [f"{phase} from {phase.since:%Y-%m}" for phase in PHASES]
    needed = {
        "Certificates": [round(year.certificates) for year in years],
        "Validations": [round(year.validations) for year in years],
    }
    return View(
        "index.html",
        needed=Chart("bar", labels, needed, title="Renewals a year under each limit"),
        hours=Chart("stacked", labels, hours(groups, assumed), unit="hours", title="Handwork a year, by group"),
        one=of_one_domain(LAST, assumed),
        ballot=BALLOT,
        **seen,
    )


@page("/automation/report")
def report(db: DB) -> View:
    """What shorter certificate lifetimes ask of us, on one page to print."""
    seen = figures(db)
    busy = [line for line in seen["lines"] if line.then.hours]
    costly = max(busy, key=lambda line: line.then.hours, default=None)
    return View("report.html", title="Certificate work to come", costly=costly, ballot=BALLOT, day=today(), **seen)


@page("/automation/assumptions", role="operator")
def assume(db: DB) -> View:
    """What the hours and the money are worked out with; an empty field goes back to its default."""
    return View("assumptions.html", title="Assumptions", form=ASSUMED.show(db, assumptions(db)))


@action("/automation/assumptions")
def save_assumptions(db: DB, data: Data) -> View | Go:
    """Change what the hours and the money are worked out with."""
    form = ASSUMED.read(db, data)
    if not form.is_valid:
        return View("assumptions.html", status=422, title="Assumptions", form=form)
    ASSUMED.save(db, form, assumptions(db))
    return Go(index, toast="Worked out anew")


def figures(db: Session) -> dict[str, Any]:
    """What both pages show: the whole portfolio under each limit, and each group now and under the last one."""
    assumed, groups, phase = assumptions(db), per_group(db), phase_on(today())
    total = whole(groups)
    years = [(each, total.in_phase(each, assumed)) for each in PHASES]
    return {
        "assumed": assumed,
        "total": total,
        "years": years,
        "phase": phase,
        "last": LAST,
        "now": total.in_phase(phase, assumed),
        "then": total.in_phase(LAST, assumed),
        "lines": [line(group, phase, assumed) for group in groups if group.id or group.domains],
    }


def line(group: Workload, phase: Phase, assumed: Assumptions) -> Line:
    """A group beside its work."""
    return Line(group, group.in_phase(phase, assumed), group.in_phase(LAST, assumed))


def hours(groups: Sequence[Workload], assumed: Assumptions) -> dict[str, list[float]]:
    """The hours of handwork of each group under each limit, the busiest first, the small ones together."""
    busy = sorted((group for group in groups if group.by_hand), key=lambda group: group.by_hand, reverse=True)
    found = {group.name: [float(group.in_phase(p, assumed).hours) for p in PHASES] for group in busy}
    named = dict(list(found.items())[:LONGEST_LEGEND])
    if rest := list(found.values())[LONGEST_LEGEND:]:
        named["all others"] = [sum(column) for column in zip(*rest, strict=True)]
    return {name: [round(value, 1) for value in column] for name, column in named.items()} or {"Nobody": [0.0] * 4}
