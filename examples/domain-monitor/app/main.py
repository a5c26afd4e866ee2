"""The domain monitor: its features, in the order of the menu."""

from core import App

from . import automation, groups, portfolio, sources
from .settings import Settings

app = App(features=[portfolio.feature, groups.feature, automation.feature, sources.feature], settings=Settings)
