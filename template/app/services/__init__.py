"""Services: which of ours answer, and how fast. A feature to read, change, or delete."""

from core import Feature

from . import alerts, api, cards, jobs, pages

feature = Feature(pages, api, jobs, alerts, cards)
