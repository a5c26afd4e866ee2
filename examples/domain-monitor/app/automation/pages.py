"""The pages of the work to come: for those who do it, for those who pay for it, and what it is worked out with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.certificates import held
from app.costs import Colours, wrong_currency
from app.groups import Tree
from core import DB, Chart, Data, Field, Form, Go, Session, View, action, page, today

from .models import Assumptions, assumptions
from .phases import BALLOT, LAST, PHASES, Phase, phase_on
from .work import NOBODY, Workload, Yearly, of_one_domain, per_group, together

LABELS = [f"{phase} from {phase.since:%Y-%m}" for phase in PHASES]
ASSUMED = Form(
    Assumptions,
    Field(Assumptions.certificates_per_domain),
    Field(Assumptions.renew_at, label="Renew at"),
    Field(Assumptions.minutes_per_certificate),
    Field(Assumptions.minutes_per_validation),
    Field(Assumptions.hourly_rate),
    Field(Assumptions.currency),
    check=wrong_currency,
)


@dataclass(frozen=True)
class Line:
    """One group with everything inside it and its work of a year, by the limits of today and by the last ones."""

    group: Workload
    own: Workload
    above: str
    href: str
    now: Yearly
    then: Yearly


@page("/automation", nav="Automation", icon="calendar-clock")
def index(db: DB) -> View:
    """The certificate work to come: lifetimes and validations shrink, registrations do not."""
    seen = figures(db)
    years = [year for _, year in seen["years"]]
    needed = {
        "Certificates": [round(year.certificates) for year in years],
        "Validations": [round(year.validations) for year in years],
    }
    return View(
        "index.html",
        needed=Chart("bar", LABELS, needed, title="Renewals a year under each limit"),
        hours=handwork(db, seen),
        one=of_one_domain(LAST, seen["assumed"]),
        ballot=BALLOT,
        held=held(db),
        **seen,
    )


@page("/automation/report")
def report(db: DB) -> View:
    """What shorter certificate lifetimes ask of us, on one page to print."""
    seen = figures(db)
    busy = [line for line in seen["lines"] if line.then.hours and not line.above]
    units = sorted(busy, key=lambda line: line.then.hours, reverse=True)
    seen |= {"units": units, "ballot": BALLOT, "day": today(), "hours": handwork(db, seen)}
    return View("report.html", title="Certificate work to come", **seen)


@page("/automation/assumptions", role="operator")
def assume(db: DB) -> View:
    """What the hours and the money are worked out with; an empty field goes back to its default."""
    return View("assumptions.html", title="Assumptions", form=ASSUMED.show(db, assumptions(db)), held=held(db))


@action("/automation/assumptions")
def save_assumptions(db: DB, data: Data) -> View | Go:
    """Change what the hours and the money are worked out with."""
    form = ASSUMED.read(db, data)
    if not form.is_valid:
        return View("assumptions.html", status=422, title="Assumptions", form=form, held=held(db))
    ASSUMED.save(db, form, assumptions(db))
    return Go(index, toast="Worked out anew")


def figures(db: Session) -> dict[str, Any]:
    """What both pages show: the whole portfolio under each limit, and each group now and under the last one."""
    assumed, groups, phase = assumptions(db), per_group(db), phase_on(today())
    total = together(groups)
    years = [(each, total.in_phase(each, assumed)) for each in PHASES]
    return {
        "assumed": assumed,
        "total": total,
        "years": years,
        "phase": phase,
        "last": LAST,
        "now": total.in_phase(phase, assumed),
        "then": total.in_phase(LAST, assumed),
        "lines": lines(Tree.load(db), {each.id: each for each in groups}, phase, assumed),
    }


def lines(tree: Tree, groups: dict[int, Workload], phase: Phase, assumed: Assumptions) -> list[Line]:
    """Every group followed by what is inside it, whose work is its own as well; what is unassigned at the end."""
    found = [line(groups[id], [groups[each] for each in tree.below(id)], tree.above(id), phase, assumed) for id in tree]
    rest = groups[NOBODY]
    return [*found, line(rest, [rest], "", phase, assumed)] if rest.domains else found


def line(own: Workload, inside: Sequence[Workload], above: str, phase: Phase, assumed: Assumptions) -> Line:
    """A group beside its work, with the part of the portfolio that it is."""
    group = together(inside, id=own.id, name=own.name)
    names = [("group", each.name if each.id else "none") for each in inside]
    href = f"/domains?{urlencode([*names, ('missing', 'no')])}"
    return Line(group, own, above, href, group.in_phase(phase, assumed), group.in_phase(LAST, assumed))


def handwork(db: Session, seen: dict[str, Any]) -> Chart:
    """The hours of handwork a year under each limit, drawn."""
    own, names = {line.own.id: line.own for line in seen["lines"]}, Colours(Tree.load(db))
    series = hours(own.values(), names, seen["assumed"])
    return Chart("stacked", LABELS, series, unit="hours", title="Handwork a year, by group", colours=names.colours)


def hours(groups: Iterable[Workload], names: Colours, assumed: Assumptions) -> dict[str, list[float]]:
    """The hours of handwork under each limit by group of the highest level, as they are drawn everywhere."""
    found: dict[str, list[float]] = {}
    for group in groups:
        if group.by_hand:
            column = found.setdefault(names.of(group.id), [0.0] * len(PHASES))
            for number, phase in enumerate(PHASES):
                column[number] += float(group.in_phase(phase, assumed).hours)
    ordered = {name: [round(value, 1) for value in found[name]] for name in names.in_order if name in found}
    return ordered or {"Nobody": [0.0] * len(PHASES)}
