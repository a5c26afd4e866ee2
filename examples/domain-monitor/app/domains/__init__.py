"""Domains: what we own, when it expires, what it costs a year. Every other feature builds on this one."""

from .currencies import CURRENCIES, currency_code
from .expiry import AMBER_DAYS, RED_DAYS, days_left, first_days, in_words, last_day_under, urgency
from .models import SUFFIX, Domain
from .names import LABEL, domain_name, shown_name

__all__ = [
    "AMBER_DAYS",
    "CURRENCIES",
    "LABEL",
    "RED_DAYS",
    "SUFFIX",
    "Domain",
    "currency_code",
    "days_left",
    "domain_name",
    "first_days",
    "in_words",
    "last_day_under",
    "shown_name",
    "urgency",
]
