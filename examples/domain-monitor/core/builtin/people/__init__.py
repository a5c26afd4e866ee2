"""People: signing in and out."""

from ...feature import Feature
from . import pages

feature = Feature(pages)
