"""How often certificates and domain validations come due, by the limits that hold from each date on.

The limits are those of CA/Browser Forum ballot SC-081v3, adopted on 2025-04-11: TLS Baseline Requirements, section
6.3.2 (validity of certificates) and 4.2.1 (re-use of validation data). Exact fractions throughout: at some limits
a re-use ends on the very day of a renewal, where a rounded number would fall on the wrong side.
"""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import floor
from typing import Literal

BALLOT = "https://cabforum.org/2025/04/11/ballot-sc081v3-introduce-schedule-of-reducing-validity-and-data-reuse-periods"
YEAR_DAYS = 365
DAYS_BEFORE = 30  # the end, for those who renew that late

RenewAt = Literal["at two thirds of the lifetime", "30 days before the end"]


@dataclass(frozen=True)
class Phase:
    """What a new certificate may be: from which day on, valid for how long, on a validation of what age."""

    since: date
    lifetime_days: int
    reuse_days: int

    def __str__(self) -> str:
        return f"{self.lifetime_days} days"

    def renewals(self, renew_at: RenewAt) -> Fraction:
        """How often a year one certificate is renewed."""
        is_early = renew_at == "at two thirds of the lifetime"
        days = self.lifetime_days * Fraction(2, 3) if is_early else Fraction(self.lifetime_days - DAYS_BEFORE)
        return YEAR_DAYS / days

    def validations(self, issued: Fraction) -> Fraction:
        """How often a year a domain is validated that gets so many certificates, evenly spread over the year.

        A validation serves the certificate it was made for, and every one that is issued while it may be re-used.
        """
        return issued / (1 + floor(self.reuse_days * issued / YEAR_DAYS))


PHASES = (
    Phase(date(2020, 9, 1), 398, 398),
    Phase(date(2026, 3, 15), 200, 200),
    Phase(date(2027, 3, 15), 100, 100),
    Phase(date(2029, 3, 15), 47, 10),
)
LAST = PHASES[-1]


def phase_on(day: date) -> Phase:
    """The limits for a certificate that is issued on a day."""
    return max((phase for phase in PHASES if phase.since <= day), key=lambda phase: phase.since, default=PHASES[0])
