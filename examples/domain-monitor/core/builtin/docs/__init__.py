"""The API's documentation, served from our own files."""

from ...feature import Feature
from . import pages

feature = Feature(pages)
