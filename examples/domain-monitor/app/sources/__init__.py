"""Sources: registrar accounts, and what they say we own."""

from core import Feature

from . import imports_pages, jobs, pages
from .models import Source, troubles

feature = Feature(imports_pages, pages, jobs)  # /sources/import before /sources/{id}

__all__ = ["Source", "feature", "troubles"]
