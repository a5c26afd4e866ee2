"""The page of costs."""

from core import DB, View, page

from .costs import largest, per_group, total


@page("/costs", nav="Costs", icon="coins")
def costs(db: DB) -> View:
    """What a year of renewals costs each group, in the currencies it is billed in."""
    groups = per_group(db)
    return View("costs.html", groups=groups, whole=total(groups), largest=largest(groups))
