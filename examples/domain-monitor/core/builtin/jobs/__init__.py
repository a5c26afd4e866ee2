"""The jobs page: what runs when, what ran, and what it said."""

from ...feature import Feature
from . import pages

feature = Feature(pages)
