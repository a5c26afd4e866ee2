"""Your tool: its features, in the order of the menu."""

from core import App

from . import services
from .settings import Settings

app = App(features=[services.feature], settings=Settings)
