"""PyOps core: everything a feature needs. `from core import …` is the contract; the rest may change."""

from .alerts import Finding, alert
from .app import App
from .auth import Identity
from .charts import Chart
from .crypto import Encrypted
from .db import Session
from .errors import CoreError, DeclarationError, Refused, UserError
from .feature import Feature
from .forms import Field, Form
from .imports import Import
from .jobs import Run, job
from .pages import DB, CurrentUser, Data, Go, Params, View, action, card, page
from .settings import Settings
from .tables import Cell, Column, Table
from .time import days_in_words, in_days, now, today

__all__ = [
    "DB", "App", "Cell", "Chart", "Column", "CoreError", "CurrentUser", "Data", "DeclarationError", "Encrypted",
    "Feature", "Field", "Finding", "Form", "Go", "Identity", "Import", "Params", "Refused", "Run", "Session",
    "Settings", "Table", "UserError", "View", "action", "alert", "card", "days_in_words", "in_days", "job", "now",
    "page", "today",
]  # fmt: skip
