"""Charts: figures declared as data; a page shows them as a table, which the browser draws."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal, get_args

from .errors import DeclarationError
from .marks import declared_here
from .tables.declare import Tone

Kind = Literal["bar", "line", "area", "stacked", "doughnut", "sparkline", "timeline"]
Figure = int | float | Decimal | None | tuple[date, date]
_OF_ONE_SERIES = ("doughnut", "sparkline")


@dataclass(frozen=True)
class Chart:
    """Figures to look at: each series has one for every label; None where nobody knows it, a pair in a timeline."""

    kind: Kind
    labels: Sequence[Any]
    series: Mapping[str, Sequence[Figure]]
    _: KW_ONLY
    unit: str = ""
    title: str = ""
    colours: Mapping[str, int | Tone] = field(default_factory=dict)  # of a series, in a doughnut of a label

    def __post_init__(self) -> None:
        wrong = ""
        if self.kind not in get_args(Kind):
            wrong = f"there is no chart {self.kind!r}; use one of {', '.join(get_args(Kind))}."
        if not self.series or (self.kind in _OF_ONE_SERIES and len(self.series) > 1):
            wanted = "one series" if self.kind in _OF_ONE_SERIES else "at least one series"
            wrong = f"a {self.kind} chart shows {wanted}, not {len(self.series)}; write series={{'Cost': [1, 2]}}."
        for name, figures in self.series.items():
            if len(figures) != len(self.labels):
                what = f"the series {name!r} has {len(figures)} figures for {len(self.labels)} labels"
                wrong = f"{what}; give it one for each, None where it is not known."
        if wrong:
            raise DeclarationError(f"{declared_here()}: {wrong}")
