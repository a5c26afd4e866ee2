"""Sources: registrar accounts, and what they say we own."""

from core import Feature

from . import changes_pages, imports_pages, jobs, pages
from .models import Change, Listed, Source, is_left_alone, troubles

feature = Feature(imports_pages, pages, changes_pages, jobs)  # /sources/import before /sources/{id}

__all__ = ["Change", "Listed", "Source", "feature", "is_left_alone", "troubles"]
