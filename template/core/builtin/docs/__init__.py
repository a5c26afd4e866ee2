"""What the tool says of itself: its API, its settings."""

from ...feature import Feature
from . import pages

feature = Feature(pages)
