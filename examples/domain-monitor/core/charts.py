"""Charts: figures declared as data; a page shows them as a table, which the browser draws."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal, get_args

from .errors import DeclarationError
from .marks import declared_here
from .tables.declare import Tone

Kind = Literal["bar", "line", "area", "stacked", "doughnut", "sparkline", "timeline"]
Figure = int | float | Decimal | None | tuple[date, date]
COLOURS = 8  # in core.css, --chart-1 to --chart-8; what comes after them is drawn paler
_WANTED = {"doughnut": "a number of 0 or more", "timeline": "a pair of days or moments, the earlier first"}
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
        for mistake in self._mistakes():
            raise DeclarationError(f"{declared_here()}: {mistake}")

    def _mistakes(self) -> Iterator[str]:
        """What does not fit together, as sentences."""
        if self.kind not in get_args(Kind):
            yield f"there is no chart {self.kind!r}; use one of {', '.join(get_args(Kind))}."
        if not self.series or (self.kind in _OF_ONE_SERIES and len(self.series) > 1):
            wanted = "one series" if self.kind in _OF_ONE_SERIES else "at least one series"
            yield f"a {self.kind} chart shows {wanted}, not {len(self.series)}; write series={{'Cost': [1, 2]}}."
        for name, figures in self.series.items():
            if len(figures) != len(self.labels):
                what = f"the series {name!r} has {len(figures)} figures for {len(self.labels)} labels"
                yield f"{what}; give it one for each, None where it is not known."
            if strange := [pair for pair in zip(self.labels, figures, strict=False) if not self._fits(pair[1])]:
                (label, figure), wanted = strange[0], _WANTED.get(self.kind, "a number")
                yield f"{figure!r}, {name} of {label}, is no figure of a {self.kind} chart; give {wanted}, or None."
        for name, colour in self.colours.items():
            if colour not in (*range(1, COLOURS + 1), *get_args(Tone)[1:]):
                yield f"the colour {colour!r} of {name} is none; use 1 to {COLOURS}, or good, warn, bad, unknown."

    def _fits(self, figure: Any) -> bool:
        if figure is None or self.kind != "timeline":
            is_number = isinstance(figure, int | float | Decimal) and math.isfinite(figure)
            return figure is None or (is_number and (figure >= 0 or self.kind != "doughnut"))
        is_pair = isinstance(figure, tuple) and len(figure) == 2 and type(figure[0]) is type(figure[1])
        return is_pair and isinstance(figure[0], date) and figure[0] <= figure[1]
