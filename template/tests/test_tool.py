"""The tool as a whole: its pages answer, its tables fit its models."""

import pytest
from starlette.testclient import TestClient

from app.main import app
from core import migrations
from core.db import Database
from core.testing import html

PAGES = [mark for feature in app.features for _, mark in feature.pages if "{" not in mark.path]


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_every_page_answers(path: str, client: TestClient) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", [page.path for page in PAGES if not page.public])
def test_no_page_answers_somebody_who_has_not_signed_in(path: str, served: TestClient) -> None:
    assert served.get(path).headers["location"].startswith("/-/sign-in")


def test_the_tables_are_what_the_models_say(database: Database) -> None:
    with database.reader.connect() as connection:
        assert migrations.differences(connection, migrations.app_history()) == []


def test_the_start_page_is_in_the_menu(client: TestClient) -> None:
    page = html(client.get("/", follow_redirects=True))
    assert page.all("nav a[aria-current=page]")
