"""Costs: what renewals cost whom and when, in one currency, with what nobody knows beside every sum."""

from core import Feature

from . import alerts, cards, jobs, list_pages, pages
from .models import ListPrice, TypedPrice
from .months import Colours
from .prices import CURRENCY, IS_KNOWN, IS_UNKNOWN, PRICE, SAID_BY, YEARS, prices_of
from .typing_in import TYPED, forget, told_of, type_in, type_in_each, wrong_currency

feature = Feature(pages, list_pages, jobs, alerts, cards)

__all__ = [
    "CURRENCY", "IS_KNOWN", "IS_UNKNOWN", "PRICE", "SAID_BY", "TYPED", "YEARS", "Colours", "ListPrice", "TypedPrice",
    "feature", "forget", "prices_of", "told_of", "type_in", "type_in_each",
    "wrong_currency",
]  # fmt: skip
