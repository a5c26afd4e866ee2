"""The starter tool in a browser: sign in, forms, jobs, themes, phone width, accessibility."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.conftest import REPOSITORY, Seen, Tool

pytestmark = pytest.mark.e2e
Visit = Callable[..., Page]
PAGES = [
    "/",
    "/services",
    "/services/new",
    "/services/import",
    "/-/jobs",
    "/-/alerts",
    "/-/audit",
    "/-/ui",
    "/-/api",
]


@pytest.fixture(scope="session")
def starter(serve: Callable[..., Tool]) -> Tool:
    """The template, served where it lies."""
    return serve(REPOSITORY / "template")


def test_the_link_signs_in_once_and_its_page_burns_nothing(starter: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(starter)
    link = starter.core("users", "link", "admin")
    page.goto(link)
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto(link)
    expect(page.get_by_role("heading", name="That does not work")).to_be_visible()
    assert [text for text in seen.complaints if "410" not in text] == []


def test_a_mistake_is_shown_beside_its_field_and_nothing_typed_is_lost(starter: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(starter, "/services/new")
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("URL").fill("not an address")
    page.get_by_role("button", name="Add service").click()
    expect(page.locator("#f-url-error")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Shop")
    page.get_by_label("URL").fill(f"{starter.url}/-/health")
    page.get_by_role("button", name="Add service").click()
    expect(page.locator("#toasts")).to_contain_text("Shop is watched from now on")
    expect(page.locator("#services tbody")).to_contain_text("Shop")
    assert [text for text in seen.complaints if "422" not in text] == []


def test_a_form_is_sent_once_however_often_its_button_is_pressed(starter: Tool, visit: Visit) -> None:
    page = visit(starter, "/services/new", javascript=False)
    page.get_by_label("Name").fill("Twice")
    page.get_by_label("URL").fill("https://twice.example.com")
    page.get_by_role("button", name="Add service").dblclick()
    expect(page.locator("#services tbody")).to_contain_text("Twice")
    expect(page.locator("[role=alert]")).to_have_count(0)


@pytest.mark.parametrize("javascript", [True, False])
def test_a_file_is_imported_step_by_step(starter: Tool, visit: Visit, seen: Seen, javascript: bool) -> None:
    page = visit(starter, "/services/import", javascript=javascript)
    sheet = f"Name;URL;Cost\nFrom a file {javascript};https://example.com;5\nBad;nowhere;\n"
    for good in (False, True):
        content = (sheet if not good else sheet.partition("Bad")[0]).encode()
        page.goto(f"{starter.url}/services/import")
        page.get_by_label("File").set_input_files({"name": "s.csv", "mimeType": "text/csv", "buffer": content})
        page.get_by_role("button", name="Show what would change").click()
        expect(page.locator("main")).to_contain_text("Cost")  # a column that no field is named like
        if not good:
            expect(page.locator("#wrong tbody")).to_contain_text("Bad")
        assert not javascript or Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Import 1 row").click()
    expect(page.locator("#services tbody")).to_contain_text(f"From a file {javascript}")
    assert [text for text in seen.complaints if "422" not in text] == []


@pytest.mark.parametrize("javascript", [True, False])
def test_which_column_is_which_can_be_chosen(starter: Tool, visit: Visit, seen: Seen, javascript: bool) -> None:
    page = visit(starter, "/services/import", javascript=javascript)
    sheet = f"Thing;Address;Owner\nMapped {javascript};https://example.com;Ann\n".encode()
    page.get_by_label("File").set_input_files({"name": "s.csv", "mimeType": "text/csv", "buffer": sheet})
    page.get_by_role("button", name="Show what would change").click()
    page.get_by_label("Name").select_option("Thing")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.locator("#wrong tbody")).to_contain_text("URL: This is needed.")
    page.get_by_text("Say which column is which").click()
    assert not javascript or Axe().run(page).violations_count == 0
    page.get_by_label("URL").select_option("Address")
    page.get_by_role("button", name="Show what would change").click()
    page.get_by_role("button", name="Import 1 row").click()
    expect(page.locator("#services tbody")).to_contain_text(f"Mapped {javascript}")
    assert [text for text in seen.complaints if "422" not in text] == []


def test_a_job_runs_and_its_page_follows_it_to_the_end(starter: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(starter, "/-/jobs")
    page.get_by_role("button", name="Run now: services.check").click()
    expect(page.locator("#run-state")).to_contain_text("succeeded", timeout=20_000)
    assert seen.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(starter: Tool, visit: Visit, path: str, theme: str) -> None:
    page = visit(starter, path, theme=theme)
    page.wait_for_load_state("networkidle")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_needs_no_sideways_scrolling(starter: Tool, visit: Visit, path: str) -> None:
    page = visit(starter, path, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("path", PAGES)
def test_no_page_complains_or_asks_another_host(starter: Tool, visit: Visit, seen: Seen, path: str) -> None:
    visit(starter, path).wait_for_load_state("networkidle")
    assert seen.complaints == []
    assert seen.hosts == {starter.url.removeprefix("http://")}


def test_a_theme_is_chosen_and_kept(starter: Tool, visit: Visit) -> None:
    page = visit(starter, "/services")
    page.get_by_role("button", name="Dark theme").click()
    page.goto(f"{starter.url}/-/jobs")
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_session_that_ended_leads_to_the_sign_in_page_and_back(starter: Tool, visit: Visit) -> None:
    page = visit(starter, "/services")
    page.context.clear_cookies()
    page.get_by_placeholder("Search").press_sequentially("shop")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "next=%2Fservices" in page.url or "next=/services" in page.url
