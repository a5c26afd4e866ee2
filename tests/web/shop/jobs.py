"""The shop's jobs: one that only an admin may start, and one with a parameter of each kind."""

from datetime import date
from enum import Enum
from typing import Annotated, Literal

from annotated_types import Ge

from core import Run, job


class Size(Enum):
    SMALL = "small"
    VERY_BIG = "very_big"


@job(role="admin")
def stocktake() -> None:
    """Count everything."""


@job(cron="0 6 * * *", retries=2)
def reprice(
    run: Run,
    item: int | None = None,
    factor: Annotated[float, Ge(0)] = 1.5,
    note: str = "",
    is_dry: bool = True,
    since: date | None = None,
    mode: Literal["all", "new"] = "all",
    size: Size | None = None,
) -> None:
    """Change prices."""
