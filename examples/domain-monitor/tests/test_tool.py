"""The tool as a whole: its pages answer, its tables fit its models."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from starlette.testclient import TestClient

from app.costs import ListPrice
from app.domains import Domain
from app.groups import Group, Rule
from app.main import app
from app.sources import Source
from core import Session, migrations, now
from core.db import Database
from core.marks import Role
from core.testing import html

PATHS = [mark.path for feature in app.features for _, mark in feature.pages if "{" not in mark.path]


@pytest.mark.parametrize("path", PATHS)
def test_every_page_answers(path: str, client: TestClient) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_no_page_answers_somebody_who_has_not_signed_in(path: str, served: TestClient) -> None:
    assert served.get(path).headers["location"].startswith("/-/sign-in")


PATHS_OF_ALL = [
    "/domains",
    "/costs",
    "/costs/months",
    "/costs/savings",
    "/costs/prices",
    "/costs/currency",
    "/groups",
    "/automation",
    "/automation/report",
    "/sources",
]
BELOW_AN_ADMIN: list[Role] = ["viewer", "operator"]


@pytest.mark.parametrize("role", BELOW_AN_ADMIN)
def test_nobody_is_shown_what_they_may_not_use(
    role: Role, client_as: Callable[[Role], TestClient], db: Session
) -> None:
    db.add(source := Source(name="Main", kind="namecom"))
    db.add(group := Group(name="Shops"))
    db.flush()
    db.add(Rule(position=1, kind="suffix", value="shop", group_id=group.id or 0))
    db.add(Domain(name="acme.shop", shown_name="acme.shop", source_id=source.id, missing_since=now()))
    db.add(ListPrice(registrar="North", suffix="shop", price=Decimal(30), currency="USD"))
    db.commit()
    asked = client_as(role)
    for path in [*PATHS_OF_ALL, "/domains/acme.shop"]:
        page = html(asked.get(path))
        links = {link.attribute("href") or "" for link in page.all("main a")}
        assert {link: asked.get(link).status_code for link in links if link.startswith("/")} == {
            link: 200 for link in links if link.startswith("/")
        }
        deeds = {form.attribute("action") or "" for form in page.all("main form[method=post]")}
        assert role == "operator" or not deeds
        assert all(asked.post(deed).status_code != 403 for deed in deeds)


def test_the_tables_are_what_the_models_say(database: Database) -> None:
    with database.reader.connect() as connection:
        assert migrations.differences(connection, migrations.app_history()) == []


def test_the_start_page_is_in_the_menu(client: TestClient) -> None:
    page = html(client.get("/", follow_redirects=True))
    assert page.all("nav a[aria-current=page]")
