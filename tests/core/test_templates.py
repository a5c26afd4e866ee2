"""The templates render with the context that pages get, and keep the content security policy."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest

from core.tables import Cell, UrlState

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "template" / "core"
STATIC = CORE / "static"
GALLERY = "core/builtin/inside/components.html"
PAGES = sorted(CORE.rglob("*.html"))
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
MACRO_LINES = 25
SCRIPT_LINES = 180

NAV = [
    [{"label": "Domains", "href": "/domains", "icon": "globe", "active": True, "badge": ""}],
    [{"label": "Findings", "href": "/-/alerts", "icon": "bell", "active": False, "badge": "7"}],
]
PROBLEM = {
    "status": 404,
    "title": "No such page",
    "text": "There is nothing here.",
    "hint": "Look under Domains.",
}


class Page(HTMLParser):
    """A rendered page as a list of (tag, attributes), with its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.words = " ".join(f"{self.words} {data}".split())

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """The attributes of every such element whose attributes have the wanted values."""
        asked = {name.replace("_", "-"): value for name, value in wanted.items()}
        return [attrs for found, attrs in self.elements if found == tag and asked.items() <= attrs.items()]


def environment() -> jinja2.Environment:
    """Jinja as core sets it up: strict, escaping, with `static`, `zip` and `ui` as globals."""

    def load(name: str) -> str:
        inside = name.removeprefix("core/")
        return (CORE / ("" if inside.startswith("builtin/") else "templates") / inside).read_text("utf-8")

    jinja = jinja2.Environment(loader=jinja2.FunctionLoader(load), autoescape=True, undefined=jinja2.StrictUndefined)
    jinja.globals |= {"static": lambda name: f"/-/static/{name}", "zip": zip}
    jinja.globals["ui"] = jinja.get_template("core/ui.html").module
    return jinja


def context(**changes: Any) -> dict[str, Any]:
    """What every page's template can use."""
    return {
        "tool": {"name": "Domain monitor", "environment": "staging"},
        "page": {"title": "Domains", "subtitle": "Every domain we own."},
        "user": {"name": "Maria", "role": "operator"},
        "nav": NAV,
        "toast": "",
        "theme": "auto",
        "request_id": "r-1",
        "path": "/domains",
        "cell": Cell,
        "state": UrlState("/-/ui", "sort=group,-name&group=Retail"),
        "problem": PROBLEM,
        "openapi_url": "/-/openapi.json",
        **changes,
    }


def render(name: str, **changes: Any) -> Page:
    return Page(environment().get_template(name).render(context(**changes)))


def draw(source: str, **values: Any) -> Page:
    """A piece of template, drawn with values of its own."""
    return Page(environment().from_string(source).render(**values))


def symbols() -> set[str]:
    return set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text("utf-8")))


def classes_in_stylesheet() -> set[str]:
    found = re.findall(r"\.((?:[\w-]|\\.)+)", (STATIC / "core.css").read_text("utf-8"))
    return {name.replace("\\", "") for name in found}


def field(**changes: Any) -> dict[str, Any]:
    blank = {
        "label": "Name",
        "name": "name",
        "help": "",
        "kind": "text",
        "value": "",
        "checked": False,
        "error": "",
    }
    return {**blank, "required": True, "options": [], "placeholder": "", **changes}


PROMISED = """
flex lg:grid-cols-3 sm:gap-4 md:p-6 mt-2.5 xl:col-span-full text-muted hover:bg-base-300 bg-error/10
border-success/30 w-1/2 max-w-prose tabular-nums line-clamp-2 dark:hidden print:hidden btn
btn-primary badge-warning modal-box tabs-border tooltip steps file-input loading-spinner join-item
progress-error
"""
FULL_PAGES = [GALLERY, "core/layout.html", "core/blank.html", "core/error.html", "core/api_docs.html"]


@pytest.mark.parametrize("name", FULL_PAGES)
def test_a_page_is_well_formed_and_has_one_heading_and_one_main(name: str) -> None:
    page = render(name)
    assert (page.open, page.unbalanced) == ([], [])
    assert (len(page.all("h1")), len(page.all("main"))) == (1, 1)
    assert page.all("html", lang="en")


@pytest.mark.parametrize("name", FULL_PAGES)
def test_no_id_occurs_twice(name: str) -> None:
    ids = [attrs["id"] for _, attrs in render(name).elements if "id" in attrs]
    assert sorted(ids, key=str) == sorted(set(ids), key=str)


@pytest.mark.parametrize("name", FULL_PAGES)
def test_every_class_of_a_page_is_in_the_stylesheet(name: str) -> None:
    used = {word for _, attrs in render(name).elements for word in (attrs.get("class") or "").split()}
    # These only mark an element for a script, for Swagger UI or for the group of a hover.
    assert used - classes_in_stylesheet() - {"group"} == set()


@pytest.mark.parametrize("name", FULL_PAGES)
def test_every_icon_of_a_page_is_in_the_sprite(name: str) -> None:
    used = {str(attrs["href"]).partition("#")[2] for attrs in render(name).all("use")}
    assert used <= symbols()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_icon_named_in_a_template_is_in_the_sprite(path: Path) -> None:
    used = set(re.findall(r'\bicon(?:\(|=)"([a-z0-9-]+)"', path.read_text("utf-8")))
    assert used <= symbols()


@pytest.mark.parametrize(
    "forbidden",
    [
        pytest.param(r"\sstyle\s*=", id="a style attribute"),
        pytest.param(r"<style\b", id="a style element"),
        pytest.param(r"<script(?![^>]*\bsrc=)", id="an inline script"),
        pytest.param(r"\son[a-z]+\s*=", id="an event attribute"),
        pytest.param(r"hx-on\b", id="htmx code"),
        pytest.param(r"\bjs:|javascript:", id="a script address"),
        pytest.param(r"(?:src|href|action|hx-\w+)\s*=\s*[\"']?(?:https?:)?//", id="another host"),
    ],
)
def test_no_template_has(forbidden: str) -> None:
    assert [path.name for path in PAGES if re.search(forbidden, path.read_text("utf-8"))] == []


@pytest.mark.parametrize("name", ["core.css", "core.src.css", "api-docs.css", "core.js", "api-docs.js"])
def test_our_static_files_load_nothing_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text("utf-8")
    assert re.findall(r"""(?:url\(|@import\s*|import\s*\(?)\s*["']?(?:https?:)?//""", text) == []


@pytest.mark.parametrize("promised", PROMISED.split())
def test_the_stylesheet_has_the_promised_class(promised: str) -> None:
    assert promised in classes_in_stylesheet()


@pytest.mark.parametrize("name", ["radial-progress", "countdown", "carousel", "mockup-code"])
def test_the_stylesheet_leaves_out(name: str) -> None:
    assert name not in classes_in_stylesheet()


def test_vendored_files_are_as_recorded() -> None:
    done = subprocess.run([sys.executable, ROOT / ".ci" / "vendor", "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_macros_are_short() -> None:
    text = (CORE / "templates" / "ui.html").read_text("utf-8")
    macros = re.findall(r"{% macro (\w+).*?{%-? endmacro", text, re.DOTALL)
    bodies = re.findall(r"{% macro .*?{%-? endmacro", text, re.DOTALL)
    assert [n for n, body in zip(macros, bodies, strict=True) if body.count("\n") >= MACRO_LINES] == []


def test_every_public_macro_is_in_the_gallery() -> None:
    text = (CORE / "templates" / "ui.html").read_text("utf-8")
    gallery = (CORE / "builtin" / "inside" / "components.html").read_text("utf-8")
    public = set(re.findall(r"{% macro ([a-z]\w*)", text))
    # These are drawn by others: the frame, and the parts of a table and of a form.
    assert public - set(re.findall(r"ui\.(\w+)", gallery)) == {
        "menu",
        "account",
        "chips",
        "pager",
        "field",
        "problems",
    }


def test_the_script_stays_small() -> None:
    text = (STATIC / "core.js").read_text("utf-8")
    assert len(text.splitlines()) < SCRIPT_LINES
    assert not re.search(r"\beval\b|new Function|innerHTML|insertAdjacentHTML", text)


def test_the_menu_marks_the_current_page() -> None:
    page = render("core/layout.html")
    assert {link["href"] for link in page.all("a", aria_current="page")} == {"/domains"}
    assert "7" in page.words


def test_the_chosen_theme_is_on_the_page() -> None:
    assert render("core/layout.html", theme="dark").all("html", data_theme="dark")
    assert "data-theme" not in render("core/layout.html").all("html")[0]


def test_theme_and_sign_out_are_plain_forms() -> None:
    page = render("core/layout.html")
    assert page.all("form", method="post", action="/-/theme")
    assert page.all("form", method="post", action="/-/sign-out")
    assert page.all("input", name="next", value="/domains")


def test_a_signed_out_reader_gets_an_error_without_a_menu() -> None:
    page = render("core/error.html", user=None)
    assert page.all("nav") == []
    assert "There is nothing here." in page.words
    assert "r-1" in page.words


def test_a_fragment_of_an_error_goes_to_the_messages() -> None:
    page = render("core/error_fragment.html")
    assert page.elements[0] == ("hx-partial", {"hx-target": "#toasts", "hx-swap": "innerHTML"})
    assert page.all("div", role="alert")


def test_a_message_of_the_page_is_shown() -> None:
    assert "Saved." in render("core/layout.html", toast="Saved.").words


def test_text_is_escaped() -> None:
    assert draw("{{ ui.badge(text) }}", text="<script>x</script>").all("script") == []


def test_a_state_has_an_icon_and_a_word() -> None:
    page = draw("{{ ui.state('bad', 'Expired') }}")
    assert (page.words, len(page.all("use"))) == ("Expired", 1)


def test_an_action_works_without_javascript() -> None:
    page = draw("{{ ui.action('Refresh', '/d/1/refresh', hidden={'page': 2}) }}")
    assert page.all("form", method="post", action="/d/1/refresh")
    assert page.all("button", type="submit")
    assert page.all("input", type="hidden", name="page", value="2")
    assert "hx-post" not in page.all("form")[0]


def test_an_action_with_a_target_swaps_that_block() -> None:
    form = draw("{{ ui.action('Refresh', '/d/1', target='domains', confirm='Sure?') }}").all("form")[0]
    assert (form["hx-post"], form["hx-target"], form["hx-confirm"]) == ("/d/1", "#domains", "Sure?")


def test_a_table_says_how_much_there_is() -> None:
    page = render(GALLERY)
    assert "312 of 10,000" in page.words
    assert "of 312 Rows 20 50 200 Page 2 of 7" in page.words


def test_a_table_sorts_by_real_links_that_stay_in_its_block() -> None:
    link = render(GALLERY).all("a", id="domains-sort-state")[0]
    assert link["href"] == link["hx-get"] == "/-/ui?group=Retail&sort=state"
    assert link["data-also"] == "/-/ui?group=Retail&sort=group,-name,state"
    assert (link["hx-target"], link["hx-swap"], link["hx-push-url"]) == ("#domains", "outerHTML", "true")


def test_a_table_marks_the_sorted_column_and_the_row_headers() -> None:
    template = environment().get_template(GALLERY)
    page = Page("".join(template.blocks["domains"](template.new_context(context()))))
    assert len(page.all("th", aria_sort="ascending")) == 1
    assert len(page.all("th", scope="row")) == 20


def test_a_block_of_the_gallery_renders_alone() -> None:
    template = environment().get_template(GALLERY)
    page = Page("".join(template.blocks["domains"](template.new_context(context()))))
    assert page.elements[0][1]["id"] == "domains"
    assert page.all("h1") == []


def test_the_filters_of_a_table_are_one_get_form() -> None:
    page = render(GALLERY)
    assert page.all("form", method="get", action="/-/ui", role="search")
    names = {attrs.get("name") for attrs in page.all("input") + page.all("select")}
    assert {"q", "group", "owner.has", "price.from", "price.to", "expires_on.from", "state", "sort"} <= names


def test_a_field_wires_its_help_and_its_error() -> None:
    page = draw("{{ ui.field(f) }}", f=field(help="Full name.", error="Too short."))
    wired = page.all("input", id="f-name", aria_invalid="true")[0]
    assert str(wired["aria-describedby"]).split() == ["f-name-error", "f-name-help"]
    assert page.all("p", id="f-name-error")


@pytest.mark.parametrize(
    ("kind", "tag", "type_"),
    [
        ("text", "input", "text"),
        ("number", "input", "number"),
        ("date", "input", "date"),
        ("datetime", "input", "datetime-local"),
        ("checkbox", "input", "checkbox"),
        ("password", "input", "password"),
        ("hidden", "input", "hidden"),
        ("file", "input", "file"),
        ("select", "select", None),
        ("textarea", "textarea", None),
    ],
)
def test_a_field_of_kind(kind: str, tag: str, type_: str | None) -> None:
    page = draw("{{ ui.field(f) }}", f=field(kind=kind))
    assert [attrs.get("type") for attrs in page.all(tag, name="name")] == [type_]


@pytest.mark.parametrize(("kind", "said"), [("text", "off"), ("password", "new-password")])
def test_a_browser_fills_in_nothing_by_itself(kind: str, said: str) -> None:
    assert draw("{{ ui.field(f) }}", f=field(kind=kind)).all("input")[0]["autocomplete"] == said


def test_an_optional_field_says_so() -> None:
    assert "optional" in draw("{{ ui.field(f) }}", f=field(required=False)).words
    assert "optional" not in draw("{{ ui.field(f) }}", f=field()).words


def test_a_form_sums_up_its_problems_with_links() -> None:
    problems = [{"name": "name", "label": "Name", "error": "Too short."}]
    form = {"fields": [field()], "problems": problems}
    page = draw("{{ ui.form(form, '/d', 'Save', target='edit') }}", form=form)
    assert page.all("a", href="#f-name")
    assert page.all("form", hx_post="/d", hx_target="#edit")


def test_a_form_with_a_file_is_sent_in_parts() -> None:
    form = {"fields": [field(kind="file")], "problems": []}
    page = draw("{{ ui.form(form, '/d', 'Save') }}", form=form)
    assert page.all("form", enctype="multipart/form-data")


def test_an_icon_is_hidden_from_readers_unless_it_has_a_label() -> None:
    assert draw("{{ ui.icon('globe') }}").all("svg", aria_hidden="true")
    assert draw("{{ ui.icon('globe', 'Public') }}").all("svg", role="img", aria_label="Public")


def test_a_moment_carries_its_exact_time() -> None:
    page = draw("{{ ui.moment('2026-12-03T14:05:07+00:00') }}")
    assert page.all("time", datetime="2026-12-03T14:05:07+00:00")
    assert page.words == "2026-12-03 14:05 UTC"
