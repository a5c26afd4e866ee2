"""Automation: how much certificate work is coming as lifetimes shrink, and how much of it is done by hand."""

from core import Feature

from . import api, cards, groups_pages, pages
from .models import AutomatedRule, AutomatedShare

feature = Feature(pages, groups_pages, api, cards)

__all__ = ["AutomatedRule", "AutomatedShare", "feature"]
