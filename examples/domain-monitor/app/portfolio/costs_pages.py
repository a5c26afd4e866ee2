"""The page of costs."""

from core import DB, View, page

from .costs import per_group, total


@page("/costs", nav="Costs", icon="coins")
def costs(db: DB) -> View:
    """What a year of renewals costs each group, in the currencies it is billed in."""
    groups = per_group(db)
    whole = total(groups)
    largest = {
        a.currency: max(b.value for g in groups for b in g.amounts if b.currency == a.currency) for a in whole.amounts
    }
    return View("costs.html", groups=groups, whole=whole, largest=largest)
