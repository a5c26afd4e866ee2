"""How much work each group has, phase by phase: pure arithmetic on counted domains.

The most specific word counts: what is said of a domain, else of the rule that placed it, else the share that is
estimated for its group. A missing or retired name needs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import func
from sqlmodel import col, select

from app.domains import Domain
from app.groups import UNASSIGNED, Group
from core import Session

from .models import Assumptions, AutomatedRule, AutomatedShare
from .phases import Phase

NOBODY = 0  # the key of what is in no group


@dataclass(frozen=True)
class Yearly:
    """A year of work: certificates and validations, and what of it takes people's time and money."""

    certificates: Fraction = Fraction(0)
    validations: Fraction = Fraction(0)
    hours: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)


@dataclass
class Workload:
    """The domains of a group, or of all of them: said to be automated, said not to be, and not spoken of."""

    id: int
    name: str
    automated: Fraction = Fraction(0)
    manual: Fraction = Fraction(0)
    unsaid: int = 0
    percent: Fraction = Fraction(0)  # automated of those not spoken of, by estimate

    @property
    def domains(self) -> Fraction:
        """How many domains there are."""
        return self.automated + self.manual + self.unsaid

    @property
    def by_hand(self) -> Fraction:
        """How many are done by hand, the estimated share of those not spoken of among them."""
        return self.manual + self.unsaid * Fraction(100 - self.percent, 100)

    @property
    def percent_automated(self) -> Fraction | None:
        """How much of it is automated; None of nothing."""
        return 100 * (1 - self.by_hand / self.domains) if self.domains else None

    def in_phase(self, phase: Phase, assumed: Assumptions) -> Yearly:
        """A year of its work under these limits."""
        one = of_one_domain(phase, assumed)
        return Yearly(
            one.certificates * self.domains,
            one.validations * self.domains,
            one.hours * self.by_hand,
            one.cost * self.by_hand,
        )


def of_one_domain(phase: Phase, assumed: Assumptions) -> Yearly:
    """A year of one domain on average, when all is done by hand."""
    held = Fraction(assumed.certificates_per_domain)
    renewals = phase.renewals(assumed.renew_at)
    certificates = held * renewals
    validations = min(held, Fraction(1)) * phase.validations(max(held, Fraction(1)) * renewals)
    minutes = [assumed.minutes_per_certificate, assumed.minutes_per_validation]
    hours = (certificates * Fraction(minutes[0]) + validations * Fraction(minutes[1])) / 60
    return Yearly(certificates, validations, hours, hours * Fraction(assumed.hourly_rate))


def per_group(db: Session) -> list[Workload]:
    """Every group by name, and what is unassigned at the end."""
    shares = select(Group.id, Group.name, AutomatedShare.percent).outerjoin(AutomatedShare).order_by(Group.name)
    found = {
        id or NOBODY: Workload(id or NOBODY, name, percent=Fraction(percent or 0))
        for id, name, percent in db.execute(shares)
    }
    found[NOBODY] = Workload(NOBODY, UNASSIGNED)
    said = func.coalesce(col(Domain.certificates_automated), col(AutomatedRule.automated))
    of_what = (col(Domain.group_id), said)
    counted = select(*of_what, func.count()).outerjoin(AutomatedRule, col(AutomatedRule.rule_id) == Domain.rule_id)
    ours = (col(Domain.missing_since).is_(None), col(Domain.retired_at).is_(None))
    for group_id, automated, count in db.execute(counted.where(*ours).group_by(*of_what)):
        group = found[group_id or NOBODY]
        if automated is None:
            group.unsaid = count
        elif automated:
            group.automated = Fraction(count)
        else:
            group.manual = Fraction(count)
    return list(found.values())


def together(groups: Sequence[Workload], *, id: int = NOBODY, name: str = "All") -> Workload:
    """These groups as one, its estimate being the one that leaves as much handwork as theirs do."""
    manual, unsaid = sum((each.manual for each in groups), Fraction(0)), sum(each.unsaid for each in groups)
    estimated = sum((each.by_hand for each in groups), -manual)
    percent = 100 * (1 - estimated / unsaid) if unsaid else Fraction(0)
    automated = sum((each.automated for each in groups), Fraction(0))
    return Workload(id, name, automated=automated, manual=manual, unsaid=unsaid, percent=percent)
