"""The portfolio: every domain in one table, one page for each, and what they cost."""

from core import Feature

from . import alerts, alerts_risks, api, cards, costs_pages, digest, metrics, pages, table

feature = Feature(pages, table, costs_pages, api, metrics, alerts, alerts_risks, digest, cards)

__all__ = ["feature"]
