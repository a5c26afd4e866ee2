"""Groups: which unit a domain belongs to and for what purpose, by ordered rules that anybody can read."""

from core import Feature

from . import pages, rules_pages
from .assignment import REASON, SOURCE, UNASSIGNED, assign, is_settled, reason
from .models import Group, Rule
from .tree import Tree, choices

feature = Feature(rules_pages, pages)  # /groups/rules before /groups/{id}

__all__ = [
    "REASON", "SOURCE", "UNASSIGNED", "Group", "Rule", "Tree", "assign", "choices", "feature", "is_settled", "reason",
]  # fmt: skip
