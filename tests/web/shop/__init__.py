"""A shop: the feature that the tests of core's web half ask for."""

from core import Feature

from . import api, jobs, pages, stock

feature = Feature(pages, stock, api, jobs)
