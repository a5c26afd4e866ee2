"""Certificates: what the hosts of our domains show, and whether a browser would accept it."""

from core import Feature

from . import alerts, jobs, pages
from .counting import Held, held
from .models import Certificate
from .pages import hosts_of

feature = Feature(pages, jobs, alerts)

__all__ = ["Certificate", "Held", "feature", "held", "hosts_of"]
