"""The built-in pages: features like any other, made with the public API."""

from ..feature import Feature
from . import docs, gallery, jobs, people


def features() -> list[Feature]:
    """Core's own features, in the order of the menu."""
    return [jobs.feature, docs.feature, gallery.feature, people.feature]
