"""What the home page shows of the costs."""

from sqlmodel import col

from app.domains import Domain
from app.groups import Tree
from core import DB, Chart, View, card, today

from .months import Colours, chart, coming
from .rates import current
from .totals import Cost, collect, together


@card("Cost by group")
def costs(db: DB) -> View:
    """A year of renewals, as far as the prices are known."""
    rates, tree = current(db), Tree.load(db)
    names, sums = Colours(tree), dict[str, Cost]()
    found = collect(db, rates, col(Domain.group_id))
    for (group_id,), cost in found.items():
        sums.setdefault(names.of(group_id), Cost()).add(cost)
    shown = {name: round(sums[name].total, 2) for name in names.in_order if name in sums and sums[name].total}
    drawn = Chart(
        "doughnut",
        list(shown),
        {"Cost": list(shown.values())},
        unit=rates.to,
        title="Cost a year",
        colours=names.colours,
    )
    return View("card.html", chart=drawn, rates=rates, whole=together(found.values()))


@card("Renewals to pay", wide=True)
def renewals(db: DB) -> Chart:
    """The next 12 months, by group; a name whose price or expiry is unknown is in none of them."""
    rates = current(db)
    return chart(coming(db, rates, today()), Tree.load(db), today(), rates.to)
