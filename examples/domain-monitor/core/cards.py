"""Cards: what the features put on the home page, and that page."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Request

from . import log, marks
from .db import Session
from .errors import Refused, in_one_line
from .marks import CardMark, PageMark
from .pages import DB, CurrentUser, Go, View, serving
from .settings import PROJECT

logger = log.get("core.cards")
HOME = PageMark("/", nav="Home", icon="house")
card = CardMark
Card = tuple[str, Callable[..., Any], CardMark]  # the folder of its feature, the function, what it declares


def home(cards: Sequence[Card], menu: Sequence[PageMark]) -> Callable[..., View | Go]:
    """The home page: the cards that somebody may see; with none of them it leads to the first page of the menu."""

    @HOME
    def index(request: Request, db: DB, user: CurrentUser) -> View | Go:
        """What needs attention, at a glance."""
        seen = [one for one in cards if user.can(one[2].role)]
        if not seen:
            return Go(next((mark.path for mark in menu if mark.is_for(user)), "/-/jobs"))
        return View("core/home.html", cards=[_shown(request, db, *one) for one in seen])

    return index


def _shown(request: Request, db: Session, folder: str, function: Callable[..., Any], mark: CardMark) -> dict[str, Any]:
    """What home.html shows of one card; a card that fails shows why, and the others stay."""
    here, user = serving(request), request.scope["state"]["identity"]
    shown = {"mark": mark, "name": function.__name__, "note": marks.summary(function), "made": None}
    try:
        taken = inspect.signature(function, eval_str=True).parameters.items()
        kinds = {name: getattr(declared.annotation, "__origin__", declared.annotation) for name, declared in taken}
        given = (db, user, here.settings)
        made = function(**{name: next(one for one in given if isinstance(one, kind)) for name, kind in kinds.items()})
        if not isinstance(made, View):
            return {**shown, "made": made}
        data = {**here.context(request), **made.data}
        return {**shown, "html": here.templates.render(f"{folder}/{made.template}", data)}
    except Exception as error:  # the boundary of a card
        logger.exception("card failed", card=function.__name__)
        db.rollback()  # PostgreSQL gives the others nothing until then
        is_told = isinstance(error, Refused) or here.settings.is_development
        return {**shown, "problem": in_one_line(error, PROJECT) if is_told else ""}
