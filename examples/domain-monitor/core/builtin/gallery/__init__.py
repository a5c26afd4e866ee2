"""The gallery: every component in every state."""

from ...feature import Feature
from . import pages

feature = Feature(pages)
