"""Cards: what the features put on the home page, and that page."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request

from . import log, marks
from .errors import Refused, in_one_line
from .marks import CardMark, PageMark
from .pages import CurrentUser, Go, View, parameter, serving
from .settings import PROJECT

logger = log.get("core.cards")
HOME = PageMark("/", nav="Home", icon="house")
card = CardMark
Card = tuple[str, Callable[..., Any], CardMark]  # the folder of its feature, the function, what it declares


def home(cards: Sequence[Card], menu: Sequence[PageMark]) -> Callable[..., View | Go]:
    """The home page: the cards that somebody may see; with none of them it leads to the first page of the menu."""

    def index(request: Request, user: CurrentUser, **calls: Callable[[], object]) -> View | Go:
        """What needs attention, at a glance."""
        seen = [pair for pair in zip(cards, calls.values(), strict=True) if user.can(pair[0][2].role)]
        if not seen:
            return Go(next((mark.path for mark in menu if mark.nav and user.can(mark.role)), "/-/jobs"))
        return View("core/home.html", cards=[_shown(request, *card, call) for card, call in seen])

    taken = list(inspect.signature(index, eval_str=True).parameters.values())[:2]
    for place, (_, function, _) in enumerate(cards):
        call = Annotated[Any, Depends(_bound(function))]
        taken.append(inspect.Parameter(f"card_{place}", inspect.Parameter.KEYWORD_ONLY, annotation=call))
    index.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    return HOME(index)


def _bound(function: Callable[..., Any]) -> Callable[..., Any]:
    """A dependency that gives a card its arguments by type, and leaves the call to the page."""

    async def bind(**values: Any) -> Callable[[], object]:
        return partial(function, **values)

    taken = inspect.signature(function, eval_str=True).parameters.values()
    bind.__signature__ = inspect.Signature([parameter(taking) for taking in taken])  # type: ignore[attr-defined]
    return bind


def _shown(request: Request, folder: str, function: Callable[..., Any], mark: CardMark, call: Any) -> dict[str, Any]:
    """What home.html shows of one card; a card that fails shows why, and the others stay."""
    here = serving(request)
    shown = {"mark": mark, "name": function.__name__, "note": marks.summary(function), "made": None}
    try:
        made = call()
        if not isinstance(made, View):
            return {**shown, "made": made}
        data = {**here.context(request), **made.data}
        return {**shown, "html": here.templates.render(f"{folder}/{made.template}", data)}
    except Exception as error:  # the boundary of a card
        logger.exception("card failed", card=function.__name__)
        if session := request.scope["state"].get("session"):
            session.rollback()  # PostgreSQL gives the others nothing until then
        is_told = isinstance(error, Refused) or here.settings.is_development
        return {**shown, "problem": in_one_line(error, PROJECT) if is_told else ""}
