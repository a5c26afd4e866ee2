"""The built-in pages: features like any other, made with the public API."""

from ..feature import Feature
from .alerts import findings
from .inside import pages as inside
from .jobs import pages as jobs
from .people import pages as people


def features() -> list[Feature]:
    """Core's own features, in the order of the menu."""
    return [Feature(findings), Feature(jobs), Feature(people), Feature(inside)]
