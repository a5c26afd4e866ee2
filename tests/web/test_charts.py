"""Charts: figures as data, the table that a page shows of them, and the colours they are drawn in."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import core
from core import App, Chart, DeclarationError
from core.testing import Html, html

MONTHS = ["2026-10", "2026-11"]
Show = Callable[[Chart], Html]


@pytest.fixture
def show(app: App) -> Show:
    """What a template makes of a chart: `{{ ui.chart(costs) }}`."""
    template = app.templates.environment.from_string("{{ ui.chart(chart) }}")
    return lambda chart: html(SimpleNamespace(text=template.render(chart=chart)))


@pytest.mark.parametrize("kind", ["bar", "line", "area", "stacked", "doughnut"])
def test_a_chart_is_a_table_of_its_figures(show: Show, kind: Any) -> None:
    page = show(Chart(kind, MONTHS, {"EU": [1200, Decimal("80.50")]}, unit="EUR", title="Cost"))
    assert page.one("figure").attribute("data-chart") == kind
    assert page.one("figcaption").text == "Cost, EUR"
    assert [row.text for row in page.all("tbody tr")] == ["2026-10 1,200", "2026-11 80.50"]
    assert [data.attribute("value") for data in page.all("tbody data")] == ["1200", "80.50"]


def test_what_nobody_knows_is_no_zero(show: Show) -> None:
    page = show(Chart("line", MONTHS, {"EU": [None, 0]}))
    assert [cell.text for cell in page.all("tbody td")] == ["—", "0"]


def test_the_figures_follow_the_drawing_for_those_who_do_not_see_it(show: Show) -> None:
    page = show(Chart("bar", MONTHS, {"EU": [1, 2]}, title="Cost"))
    assert page.one("canvas[role=img]").attribute("aria-label") == "Cost, drawn; the figures follow"
    assert page.one("details summary").text == "Figures"
    assert page.one("details [role=region]").attribute("aria-label") == "Figures: Cost"


def test_a_timeline_shows_its_first_and_last_days_and_moments(show: Show) -> None:
    bars = [(date(2026, 1, 1), date(2026, 1, 31)), (datetime(2026, 1, 1, 6, tzinfo=UTC),) * 2]
    page = show(Chart("timeline", ["a", "b"], {"Valid": bars}))
    assert [time.attribute("datetime") for time in page.all("time")][:3] == [
        "2026-01-01", "2026-01-31", "2026-01-01T06:00:00+00:00",
    ]  # fmt: skip
    assert page.all("time")[2].attribute("data-time") == "moment"


def test_a_sparkline_is_drawn_without_javascript_and_leaves_gaps(show: Show) -> None:
    page = show(Chart("sparkline", range(4), {"Took": [10, None, 20, 15]}, unit="ms", title="Answers"))
    assert page.one("svg").attribute("aria-label") == "Answers: from 10.0 to 15.0"
    assert page.one("path").attribute("d") == "M2.0 22.0M66.0 2.0L98.0 12.0"
    assert page.one("span span").text == "15 ms"
    assert page.all("script") == []


@pytest.mark.parametrize("figures", [[], [None, None], [5, 5]])
def test_a_sparkline_of_little_is_no_error(show: Show, figures: list[int | None]) -> None:
    assert show(Chart("sparkline", range(len(figures)), {"Took": figures})).one("svg")


def test_a_chart_of_no_labels_says_so(show: Show) -> None:
    page = show(Chart("bar", [], {"EU": []}, title="Cost"))
    assert page.all("canvas") == []
    assert "Nothing to draw yet." in page.text


def test_a_colour_is_a_series_place_or_the_one_that_is_named(show: Show) -> None:
    page = show(Chart("bar", ["x"], {"Up": [1], "Down": [2], "Late": [3]}, colours={"Down": "bad", "Late": 7}))
    assert [head.attribute("data-colour") for head in page.all("thead th")] == ["1", "bad", "7"]


def test_a_doughnut_has_a_colour_for_each_label(show: Show) -> None:
    page = show(Chart("doughnut", ["Retail", "none"], {"EUR": [1, 2]}, colours={"none": "unknown"}))
    assert [head.attribute("data-colour") for head in page.all("tbody th")] == ["1", "unknown"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"kind": "pie"}, "there is no chart 'pie'; use one of bar, line, area", id="kind"),
        pytest.param({"series": {}}, "a bar chart shows at least one series, not 0", id="no series"),
        pytest.param({"kind": "doughnut", "series": {"a": [1, 2], "b": [1, 2]}}, "shows one series, not 2", id="two"),
        pytest.param({"series": {"EU": [1]}}, "the series 'EU' has 1 figures for 2 labels; give it one", id="lengths"),
    ],
)
def test_a_mistake_is_told_where_it_was_made(wrong: dict[str, Any], said: str) -> None:
    given = {"kind": "bar", "labels": MONTHS, "series": {"EU": [1, 2]}, **wrong}
    with pytest.raises(DeclarationError, match=rf"test_charts\.py:\d+: .*{said}"):
        Chart(**given)


def test_a_number_can_be_read_without_javascript(app: App) -> None:
    template = app.templates.environment.from_string("{{ ui.number(value, 'EUR', digits=2) }}")
    page = html(SimpleNamespace(text=template.render(value=Decimal("1234.5"))))
    assert page.one("span").text == "1,234.50 EUR"
    assert page.one("data[data-number]").attribute("value") == "1234.50"
    assert html(SimpleNamespace(text=template.render(value=None))).one("span").text == "—"


STYLES = (Path(core.__file__).parent / "static" / "core.src.css").read_text()
LIGHT, DARK = [re.findall(r"--chart-\d: (#\w{6})", theme) for theme in STYLES.split('name: "dark"')]
# How people without one kind of cone see: Machado, Oliveira and Fernandes (2009), severity 1.
EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
}


def light_of(colour: str) -> list[float]:
    """Linear red, green and blue of #rrggbb."""
    return [(int(colour[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5)]


def seen(colour: str, eye: str) -> list[float]:
    """A colour in Oklab, where distances are what eyes make of them."""
    r, g, b = (max(0, sum(x * y for x, y in zip(row, light_of(colour), strict=True))) for row in EYES[eye])
    l, m, s = (  # noqa: E741
        (x * r + y * g + z * b) ** (1 / 3)
        for x, y, z in ((0.412, 0.536, 0.051), (0.212, 0.681, 0.107), (0.088, 0.282, 0.63))
    )
    return [0.21 * l + 0.794 * m - 0.004 * s, 1.978 * l - 2.429 * m + 0.451 * s, 0.026 * l + 0.783 * m - 0.809 * s]


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_any_two_colours_of_the_palette_can_be_told_apart(palette: list[str], eye: str) -> None:
    assert len(palette) == 8
    assert min(math.dist(seen(a, eye), seen(b, eye)) for a, b in combinations(palette, 2)) > 0.1


@pytest.mark.parametrize(("palette", "behind"), [(LIGHT, "#ffffff"), (DARK, "#17191c")], ids=["light", "dark"])
def test_every_colour_of_the_palette_stands_out_from_the_page(palette: list[str], behind: str) -> None:
    def bright(colour: str) -> float:
        return sum(x * y for x, y in zip((0.2126, 0.7152, 0.0722), light_of(colour), strict=True)) + 0.05

    ratios = [max(bright(c), bright(behind)) / min(bright(c), bright(behind)) for c in palette]
    assert min(ratios) >= 3
