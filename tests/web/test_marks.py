"""Marks only label; a wrong declaration fails at once, with its place and what to write instead."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from core import Column, DeclarationError, Field, Form, Table, action, alert, job, marks, page
from core.marks import ActionMark, JobMark, PageMark
from tests.web.shop.models import Item

HERE = r"test_marks\.py:\d+: "


def documented() -> None:
    """A sentence for people.

    And one for programmers.
    """


def undocumented() -> None: ...


def lazy() -> Iterator[int]:
    """A sentence for people."""
    yield 1


async def lazy_later() -> AsyncIterator[int]:
    """A sentence for people."""
    yield 1


def copy(function: Callable[..., Any]) -> Any:
    made = type(function)(function.__code__, globals(), function.__name__)
    made.__doc__ = function.__doc__
    return made


@pytest.mark.parametrize(
    ("decorator", "kind"), [(page("/a"), PageMark), (action("/a"), ActionMark), (job(every="5m"), JobMark)]
)
def test_a_mark_labels_a_function_and_nothing_more(decorator: Any, kind: type) -> None:
    function = copy(documented)
    assert decorator(function) is function
    assert isinstance(marks.of(function), kind)
    assert marks.of(documented) is None


@pytest.mark.parametrize("value", [None, 7, "text", print, object, Item])
def test_what_is_no_function_has_no_mark(value: object) -> None:
    assert marks.of(value) is None


def test_a_page_is_for_viewers_and_an_action_for_operators_unless_they_say() -> None:
    by_default = [marks.of(decorator(copy(documented))) for decorator in (page("/a"), action("/a"), job())]
    assert [mark.role for mark in by_default if mark] == ["viewer", "operator", "operator"]
    assert [mark.public for mark in by_default[:2]] == [False, False]


def test_people_read_the_first_line() -> None:
    assert marks.summary(documented) == "A sentence for people."


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "page without docstring": (lambda: page("/a")(undocumented), HERE + "undocumented has no docstring; write one"),
    "action without docstring": (lambda: action("/a")(undocumented), HERE + "undocumented has no docstring"),
    "job without docstring": (lambda: job(every="5m")(undocumented), HERE + "undocumented has no docstring"),
    "unknown role": (lambda: page("/a", role="boss")(documented), HERE + "role='boss' is no role; use one of viewer,"),
    "unknown role of a job": (lambda: job(role="boss")(documented), HERE + "role='boss' is no role"),
    "job that yields": (lambda: job(every="5m")(lazy), HERE + "lazy yields; only an alert does, as a plain def"),
    "async job that yields": (lambda: job()(lazy_later), HERE + "lazy_later yields; only an alert does"),
    "async alert that yields": (lambda: alert(every="5m")(lazy_later), HERE + "lazy_later yields; only an alert does"),
    "path without slash": (lambda: page("a")(documented), HERE + r"the path 'a' must .*'/a'"),
    "path with query": (lambda: page("/a?b=1")(documented), HERE + r"the path '/a\?b=1'"),
    "path with space": (lambda: action("/a b")(documented), HERE + "the path '/a b'"),
    "path to elsewhere": (lambda: page("//a")(documented), HERE + "the path '//a'"),
    "path with open brace": (lambda: page("/a/{id")(documented), HERE + "the path '/a/{id'"),
    "column of text": (lambda: Column("name"), HERE + r"Column\('name'\) is no model attribute; write it like"),
    "column of None": (lambda: Column(None), HERE + r"Column\(None\) is no model attribute"),
    "column of a model": (lambda: Column(Item), HERE + r"Column\(.*Item.*\) is no model attribute"),
    "unnamed expression": (lambda: Column(Item.stock + 1), HERE + "a Column of an SQL expression needs a name"),
    "empty table": (lambda: Table(Item), HERE + r"Table\(Item\) shows nothing; add a Column\(Item\.…\)"),
    "two columns": (lambda: Table(Item, Column(Item.name), Column(Item.name)), HERE + ".*two columns named 'name'"),
    "unknown sort": (lambda: Table(Item, Column(Item.name), sort="nmae"), HERE + ".*sorts by 'nmae', which is none"),
    "sort by no column": (lambda: Table(Item, Column(Item.name), sort=Item.stock), HERE + ".*sorts by 'stock'"),
    "empty sort": (lambda: Table(Item, Column(Item.name), sort="-"), HERE + ".*sorts by '-'"),
    "link to nothing": (lambda: Table(Item, Column(Item.name), link="/x/{nmae}"), HERE + ".*links to '/x/{nmae}'"),
    "link elsewhere": (lambda: Table(Item, Column(Item.name), link="{name}"), HERE + ".*links to '{name}'"),
    "field of text": (lambda: Field("name"), HERE + r"Field\('name'\) is no model attribute; write it like Field\("),
    "field of a query": (lambda: Field(Item.stock + 1), HERE + "Field.* is no model attribute"),
    "empty form": (lambda: Form(Item), HERE + r"Form\(Item\) has no fields; add a Field\(Item\.…\)"),
}


@pytest.mark.parametrize(("declare", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_declaration_says_where_and_what_to_write(declare: Callable[[], object], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        declare()


@pytest.mark.parametrize("path", ["/", "/a", "/a/{id}", "/a/{id:int}/b-c_d.e~f", "/{name:path}", "/-/jobs"])
def test_an_honest_path_is_taken(path: str) -> None:
    mark = marks.of(page(path)(copy(documented)))
    assert isinstance(mark, PageMark)
    assert mark.path == path


def test_a_link_may_name_the_key_though_no_column_shows_it() -> None:
    assert Table(Item, Column(Item.name), link="/x/{id}").link == "/x/{id}"
