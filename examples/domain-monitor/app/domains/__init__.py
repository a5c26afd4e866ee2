"""Domains: what we own, when it expires, what it costs a year. Every other feature builds on this one."""

from .expiry import AMBER_DAYS, RED_DAYS, days_left, first_days, in_words, last_day_under, urgency
from .internet import only_public, public_address
from .models import SUFFIX, Domain
from .names import LABEL, domain_name, shown_name

__all__ = [
    "AMBER_DAYS",
    "LABEL",
    "RED_DAYS",
    "SUFFIX",
    "Domain",
    "days_left",
    "domain_name",
    "first_days",
    "in_words",
    "last_day_under",
    "only_public",
    "public_address",
    "shown_name",
    "urgency",
]
