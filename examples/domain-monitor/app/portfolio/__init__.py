"""The portfolio: every domain in one table, and a page for each."""

from core import Feature

from . import alerts, alerts_risks, api, cards, digest, metrics, pages, table

feature = Feature(pages, table, api, metrics, alerts, alerts_risks, digest, cards)

__all__ = ["feature"]
