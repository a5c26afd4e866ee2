"""The built-in pages: features like any other, made with the public API."""

from ..feature import Feature
from . import alerts, audit, docs, gallery, jobs, people


def features() -> list[Feature]:
    """Core's own features, in the order of the menu."""
    return [alerts.feature, jobs.feature, audit.feature, people.feature, docs.feature, gallery.feature]
