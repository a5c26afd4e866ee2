"""RDAP: what the registries themselves say of our domains, held against what the registrars say."""

from core import Feature

from . import alerts, jobs, pages
from .models import DEADLINE, PHASE
from .pages import part_of

feature = Feature(pages, jobs, alerts)

__all__ = ["DEADLINE", "PHASE", "feature", "part_of"]
