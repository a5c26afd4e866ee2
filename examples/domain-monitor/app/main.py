"""The domain monitor: its features, in the order of the menu."""

from core import App

from . import automation, certificates, costs, groups, portfolio, rdap, sources
from .settings import Settings

FEATURES = [
    portfolio.feature,
    costs.feature,
    groups.feature,
    certificates.feature,
    automation.feature,
    sources.feature,
    rdap.feature,
]

app = App(features=FEATURES, settings=Settings)
