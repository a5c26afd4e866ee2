"""Charts in a browser: drawn from their tables, in both themes, after a swap, and readable without any of that."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import REPOSITORY, Seen, Tool

pytestmark = pytest.mark.e2e
Visit = Callable[..., Page]
COLOURS = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
}"""


@pytest.fixture(scope="session")
def tool(serve: Callable[..., Tool]) -> Tool:
    """The template, served where it lies."""
    return serve(REPOSITORY / "template")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_chart_is_drawn_without_a_complaint(tool: Tool, visit: Visit, seen: Seen, theme: str) -> None:
    page = visit(tool, "/-/ui", theme=theme)
    page.wait_for_load_state("networkidle")
    painted = [canvas.evaluate(COLOURS) for canvas in page.locator("#charts canvas").all()]
    assert len(painted) == 7
    assert min(painted) > 10
    assert seen.complaints == []
    assert seen.hosts == {tool.url.removeprefix("http://")}


def test_a_chart_changes_its_colours_with_the_theme(tool: Tool, visit: Visit) -> None:
    page = visit(tool, "/-/ui")
    page.wait_for_load_state("networkidle")
    canvas = page.locator("#charts canvas").first
    light = canvas.evaluate("canvas => canvas.toDataURL()")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(200)
    assert canvas.evaluate("canvas => canvas.toDataURL()") != light


def test_a_chart_that_is_swapped_in_is_drawn(tool: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(tool, "/-/ui")
    page.wait_for_load_state("networkidle")
    page.evaluate("document.querySelector('#charts').dataset.old = 'yes'")
    page.evaluate("htmx.ajax('GET', '/-/ui', { target: '#charts', swap: 'outerHTML' })")
    expect(page.locator("#charts[data-old]")).to_have_count(0)
    page.wait_for_timeout(200)
    assert min(canvas.evaluate(COLOURS) for canvas in page.locator("#charts canvas").all()) > 10
    assert seen.complaints == []


def test_the_first_chart_of_a_page_may_be_swapped_in(tool: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(tool, "/-/jobs")
    page.evaluate("document.querySelector('#jobs').id = 'charts'")
    page.evaluate("htmx.ajax('GET', '/-/ui', { target: '#charts', swap: 'outerHTML' })")
    page.wait_for_load_state("networkidle")
    expect(page.locator("#charts canvas")).to_have_count(7)
    page.wait_for_timeout(200)
    assert min(canvas.evaluate(COLOURS) for canvas in page.locator("#charts canvas").all()) > 10
    assert seen.complaints == []


def test_without_javascript_the_figures_stand_there(tool: Tool, visit: Visit) -> None:
    page = visit(tool, "/-/ui", javascript=False)
    expect(page.locator("#charts canvas").first).to_be_hidden()
    expect(page.locator("#charts table").first.get_by_text("2026-08")).to_be_visible()


@pytest.mark.parametrize(("locale", "said"), [("de-DE", "1.234.567,50 EUR"), ("en-GB", "1,234,567.50 EUR")])
def test_a_number_is_written_as_the_reader_s_language_writes_it(
    tool: Tool, visit: Visit, locale: str, said: str
) -> None:
    page = visit(tool, "/-/ui", locale=locale)
    assert said in (page.locator("main").inner_text()).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("exact", "said"), [("12345678901234567890.5", "12,345,678,901,234,567,890.5"), ("1e-07", "as it was")]
)
def test_a_number_that_scripts_cannot_hold_is_not_changed(tool: Tool, visit: Visit, exact: str, said: str) -> None:
    page = visit(tool, "/-/ui")
    page.evaluate(f"document.querySelector('h1').innerHTML = '<data data-number value=\"{exact}\">as it was</data>'")
    page.evaluate("document.dispatchEvent(new Event('htmx:after:process'))")
    expect(page.locator("h1 data")).to_have_text(said)
