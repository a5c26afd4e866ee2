"""The domain monitor: its features, in the order of the menu."""

from core import App

from . import automation, certificates, costs, groups, portfolio, rdap, sources
from .settings import Settings

app = App(
    features=[
        portfolio.feature,
        costs.feature,
        groups.feature,
        certificates.feature,
        automation.feature,
        sources.feature,
        rdap.feature,
    ],
    settings=Settings,
)
