"""The audit pages: who wrote what."""

from ...feature import Feature
from . import pages

feature = Feature(pages)
