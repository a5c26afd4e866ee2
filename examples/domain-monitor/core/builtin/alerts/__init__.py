"""The alerts pages: what is wrong now, who hears of it, and what was sent."""

from ...feature import Feature
from . import channels, pages

feature = Feature(pages, channels)
