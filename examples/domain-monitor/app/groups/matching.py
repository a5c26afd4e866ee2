"""Which rule fits a domain: pure functions, no database."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate
from re import compile

from .models import Rule


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules look at."""

    name: str
    shown_name: str
    registrar: str
    source: str


Test = Callable[[Subject], bool]


def first_match(rules: Iterable[tuple[Rule, Test]], subject: Subject) -> Rule | None:
    """The first rule that fits, None when none does."""
    return next((rule for rule, fits in rules if fits(subject)), None)


def tester(rule: Rule) -> Test:
    """A rule as a function; letters' case never matters."""
    value = rule.value.strip().casefold()
    if rule.kind == "name pattern":  # * and ? as in file names
        pattern = compile(translate(value))
        return lambda s: bool(pattern.match(s.shown_name) or pattern.match(s.name))
    if rule.kind == "suffix":
        ending = "." + value.lstrip("*.")
        return lambda s: s.name.endswith(ending) or s.shown_name.endswith(ending)
    if rule.kind == "registrar":
        return lambda s: s.registrar.casefold() == value
    return lambda s: s.source.casefold() == value
