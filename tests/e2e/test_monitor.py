"""The domain monitor in a browser: the portfolio of 10,000 names, and a registrar read while somebody watches."""

import json
import re
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.conftest import REPOSITORY, Seen, Tool

pytestmark = pytest.mark.e2e
Visit = Callable[..., Page]
PAGES = [
    "/", "/domains", "/groups", "/groups/rules/new?kind=suffix&value=com&group_id=1&position=1", "/sources",
    "/sources/new", "/sources/import", "/changes", "/-/jobs", "/costs", "/costs?by=suffix", "/costs/months",
    "/costs/savings", "/costs/prices", "/costs/prices/import", "/costs/currency", "/automation", "/automation/report",
    "/certificates",
]  # fmt: skip
TOTAL = re.compile(r"^10,00\d$")  # another test may have added its two
OF_TOTAL = re.compile(r"of 10,00\d$")
NAMES = ["alpha-watch.com", "beta-watch.net"]
ANSWERS_AFTER_S = 1.5


@pytest.fixture(scope="session")
def monitor(serve: Callable[..., Tool]) -> Tool:
    """The domain monitor with its sample portfolio."""
    folder = REPOSITORY / "examples" / "domain-monitor"
    return serve(folder, ["core", "migrate"], ["app.sample", "--domains", "10000"])


class Registrar(BaseHTTPRequestHandler):
    """A registrar in Name.com's form that takes its time."""

    def do_GET(self) -> None:
        time.sleep(ANSWERS_AFTER_S)
        listed = [
            {"domainName": name, "expireDate": "2027-06-01T12:00:00Z", "autorenewEnabled": True, "locked": True}
            for name in NAMES
        ]
        body = json.dumps({"domains": listed, "totalCount": len(listed)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def registrar() -> Iterator[str]:
    """The address of that registrar on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registrar)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_sign_in_link_leads_home_and_from_there_to_the_portfolio(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor)
    link = monitor.core("users", "link", "admin")
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    page.get_by_role("link", name="Domains", exact=True).click()
    expect(page.get_by_role("heading", name="Domains")).to_be_visible()
    expect(page.locator("#domains [role=status]")).to_have_text(TOTAL)
    expect(page.locator("#domains tbody tr")).to_have_count(50)
    assert seen.complaints == []


def test_sorting_swaps_the_table_alone_and_its_url_can_be_shared(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor, "/domains")
    page.evaluate("document.querySelector('h1').dataset.kept = 'yes'")
    page.get_by_role("link", name="Name", exact=True).click()
    expect(page.locator("#domains th[aria-sort=ascending]")).to_contain_text("Name")
    assert page.locator("h1").get_attribute("data-kept") == "yes"
    first = page.locator("#domains tbody th").first.text_content()
    shared = visit(monitor, page.url.removeprefix(monitor.url))
    expect(shared.locator("#domains tbody th").first).to_have_text(first or "")
    assert seen.complaints == []


def test_typing_searches_and_back_leads_back(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor, "/domains?sort=-name")
    before = page.locator("#domains tbody th").first.text_content()
    page.get_by_role("link", name="Expires").click()
    page.get_by_placeholder("Search").press_sequentially("academy", delay=30)
    expect(page.locator("#domains [role=status]")).to_contain_text(OF_TOTAL)
    expect(page.get_by_placeholder("Search")).to_be_focused()
    expect(page.get_by_placeholder("Search")).to_have_value("academy")
    page.go_back()
    expect(page.locator("#domains tbody th").first).to_have_text(before or "")
    assert seen.complaints == []


def test_a_filter_is_a_chip_that_can_be_removed(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor, "/domains")
    page.locator("#domains-filter").click()
    page.locator("#domains details.group > summary").filter(has_text="Group").click()
    page.get_by_label("unassigned").check()
    page.get_by_role("button", name="Apply").click()
    chip = page.get_by_role("link", name="Remove filter: group is unassigned")
    expect(chip).to_be_visible()
    assert "group=none" in page.url
    chip.click()
    expect(page.locator("#domains [role=status]")).to_have_text(TOTAL)
    assert seen.complaints == []


def test_the_panel_of_the_filters_ends_inside_the_window(monitor: Tool, visit: Visit) -> None:
    page = visit(monitor, "/domains", width=360)
    page.locator("#domains-filter").click()
    for summary in page.locator("#domains details.group > summary").all():
        summary.click()
    assert page.locator("#domains-filter").evaluate("it => it.getBoundingClientRect().top") < 450
    box = page.locator("#domains [data-panel]:visible").bounding_box()
    assert box and box["y"] + box["height"] <= 900


@pytest.mark.parametrize(("is_wide", "width"), [(False, 718), (True, 1047)], ids=["portrait", "landscape"])
def test_the_report_for_management_prints_on_one_page(
    monitor: Tool, visit: Visit, is_wide: bool, width: int, seen: Seen
) -> None:
    page = visit(monitor, "/automation/report", width=width)
    printed = page.pdf(format="A4", landscape=is_wide, margin=dict.fromkeys(("top", "right", "bottom", "left"), "10mm"))
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    page.emulate_media(media="print")
    for table in page.locator("article [role=region]").all():
        assert table.evaluate("it => it.scrollWidth - it.clientWidth") == 0, "its last columns are cut off"
    assert seen.complaints == []


def test_shift_sorts_by_a_second_column(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor, "/domains?sort=group")
    page.locator("#domains-sort-shown_name").click(modifiers=["Shift"])
    page.wait_for_url("**/domains?sort=group,shown_name")
    expect(page.locator("#domains-sort-shown_name")).to_contain_text("2")
    page.locator("#domains-sort-shown_name").press("Shift+Enter")
    page.wait_for_url("**/domains?sort=group,-shown_name")
    page.go_back()
    page.wait_for_url("**/domains?sort=group,shown_name")
    assert seen.complaints == []


def test_columns_are_picked_and_stay_in_the_address(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor, "/domains")
    page.locator("#domains-columns").click()
    page.get_by_label("Currency").uncheck()
    page.get_by_label("First seen").check()
    page.locator("#domains [data-panel]:visible").get_by_role("button", name="Apply").click()
    expect(page.locator("#domains-sort-first_seen_at")).to_be_visible()
    expect(page.locator("#domains-sort-currency")).to_have_count(0)
    assert "first_seen_at" in page.url
    assert seen.complaints == []


def test_the_rows_of_a_page_or_all_that_match_are_picked(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor, "/domains?group=none")
    page.get_by_label("Pick all rows of this page").check()
    expect(page.locator("#domains [data-picked]")).to_have_text("50 picked")
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
    page.get_by_label("that match").check()
    page.get_by_role("button", name="Leave to the rules").click()
    expect(page.locator("main form")).to_contain_text("all that match")
    expect(page.locator("main form")).to_contain_text("group is unassigned")
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("#domains tbody tr")).to_have_count(50)
    assert seen.complaints == []


def test_many_deeds_on_picked_rows_are_in_a_menu(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor, "/domains")
    page.locator("#domains tbody [name=key]").first.check()
    bar = page.locator("#domains-picks").bounding_box()
    assert bar and bar["height"] < 60
    page.locator("#domains-more").click()
    page.get_by_role("button", name="Forget typed price").click()
    expect(page.locator("main form")).to_contain_text("This is about 1 row")
    assert seen.complaints == []


def test_without_javascript_rows_are_picked_and_acted_upon(monitor: Tool, visit: Visit) -> None:
    page = visit(monitor, "/domains?sort=-shown_name&cols=group", javascript=False)
    expect(page.get_by_label("Pick all rows of this page")).to_be_hidden()
    expect(page.get_by_role("button", name="Leave to the rules")).to_be_hidden()
    page.locator("#domains tbody [name=key]").nth(2).check()
    page.get_by_role("button", name="Leave to the rules").click()
    page.get_by_role("button", name="Leave to the rules: 1 row").click()
    page.wait_for_url("**/domains?sort=-shown_name&cols=group")
    expect(page.locator("#toasts")).to_contain_text("Left to the rules: 0; were already: 1")


def test_an_export_is_a_download(monitor: Tool, visit: Visit) -> None:
    page = visit(monitor, "/domains?q=academy&cols=group")
    page.locator("#domains-export").click()
    with page.expect_download() as download:
        page.locator("#domains-csv").click()
    assert download.value.path().read_text().startswith("Name,Group\n")


def test_without_javascript_search_filter_and_paging_work(monitor: Tool, visit: Visit) -> None:
    page = visit(monitor, "/domains", javascript=False)
    page.get_by_placeholder("Search").fill("academy")
    page.get_by_placeholder("Search").press("Enter")
    expect(page.locator("#domains [role=status]")).to_contain_text(OF_TOTAL)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("#domains nav")).to_contain_text("Page 2")


def test_a_source_is_added_read_and_watched_until_its_domains_are_there(
    monitor: Tool, visit: Visit, seen: Seen, registrar: str
) -> None:
    page = visit(monitor, "/sources/new/namecom")
    page.get_by_label("Name", exact=True).fill("Watched account")
    page.get_by_label("User name").fill("acme")
    page.get_by_label("Token").fill("a-token-of-ours")
    page.get_by_label("Base URL").fill(registrar)
    page.get_by_role("button", name="Add source").click()
    page.get_by_role("button", name="Read now").click()
    expect(page.locator("#run-state")).to_contain_text("running")
    expect(page.locator("#run-progress progress")).to_be_visible()
    expect(page.locator("#run-progress")).to_contain_text("Watched account")
    expect(page.locator("#run-state")).to_contain_text("succeeded", timeout=20_000)
    page.goto(f"{monitor.url}/domains?q=watch&sort=name")
    expect(page.locator("#domains tbody")).to_contain_text(NAMES[0])
    expect(page.locator("#domains tbody")).to_contain_text("Watched account")
    assert seen.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(monitor: Tool, visit: Visit, path: str, theme: str) -> None:
    results = Axe().run(visit(monitor, path, theme=theme))
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_a_phone_complains_of_nothing_and_asks_only_us(
    monitor: Tool, visit: Visit, seen: Seen, path: str
) -> None:
    page = visit(monitor, path, width=360)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert seen.complaints == []
    assert seen.hosts == {monitor.url.removeprefix("http://")}


def test_another_host_s_request_is_seen(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor, "/domains")
    page.evaluate("new Image().src = 'http://localhost:9/pixel.png'")
    page.wait_for_timeout(200)
    assert any("Content Security Policy" in text for text in seen.complaints)


def test_a_rule_shows_what_it_would_move_while_it_is_typed(monitor: Tool, visit: Visit, seen: Seen) -> None:
    page = visit(monitor, "/groups/rules/new")
    page.get_by_label("Look at the").select_option("suffix")
    page.get_by_label("Put it into").select_option(label="Engineering")
    page.get_by_label("Asked as number").fill("1")
    page.get_by_label("Value").fill("com")
    expect(page.locator("#preview tbody tr").first).to_contain_text("Engineering")
    assert page.get_by_label("Value").input_value() == "com"
    page.get_by_role("button", name="Add rule").click()
    expect(page.get_by_text("Rule 1 is added")).to_be_visible()
    assert seen.complaints == []
