"""The portfolio: every domain in one table, one page for each, and what they cost."""

from core import Feature

from . import alerts, api, cards, costs_pages, pages, table

feature = Feature(pages, table, costs_pages, api, alerts, cards)

__all__ = ["feature"]
