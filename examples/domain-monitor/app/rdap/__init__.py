"""RDAP: what the registries themselves say of our domains, held against what the registrars say."""

from core import Feature

from . import alerts, jobs, pages
from .bootstrap import shipped
from .lifecycle import Known, deadline
from .models import DEADLINE, PHASE, RegistryRecord
from .pages import part_of

feature = Feature(pages, jobs, alerts)

__all__ = ["DEADLINE", "PHASE", "Known", "RegistryRecord", "deadline", "feature", "part_of", "shipped"]
