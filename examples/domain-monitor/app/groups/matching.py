"""Which rule fits a domain: pure functions, no database."""

from collections.abc import Callable, Iterable
from fnmatch import translate
from re import compile
from typing import NamedTuple

from .models import Rule


class Subject(NamedTuple):
    """What rules look at."""

    name: str
    shown_name: str
    registrar: str
    source: str


Test = Callable[[Subject], bool]


def first_match(rules: Iterable[tuple[Rule, Test]], subject: Subject) -> Rule | None:
    """The first rule that fits, None when none does."""
    for rule, fits in rules:  # ten thousand names times all rules: a generator would take half as long again
        if fits(subject):
            return rule
    return None


def tester(rule: Rule) -> Test:
    """A rule as a function; letters' case never matters."""
    value = rule.value.strip().casefold()
    if rule.kind == "name pattern":  # * and ? as in file names
        if not set("*?[") & set(part := value[1:-1]) and value == f"*{part}*":
            return lambda s: part in s.shown_name or part in s.name
        fits = compile(translate(value)).match
        return lambda s: bool(fits(s.shown_name) or (s.name != s.shown_name and fits(s.name)))
    if rule.kind == "suffix":
        ending = "." + value.lstrip("*.")
        return lambda s: s.name.endswith(ending) or s.shown_name.endswith(ending)
    if rule.kind == "registrar":
        return lambda s: s.registrar.casefold() == value
    return lambda s: s.source.casefold() == value
