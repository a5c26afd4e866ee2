"""The API: rows like the page's, errors as problems, and a document that Schemathesis finds true."""

from functools import partial
from typing import Any

import pytest
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from app import services
from app.services.models import Service
from app.settings import Settings
from core import App, Session
from tests import promises
from tests.core.samples import together
from tests.web.asking import JSON, ClientAs


@pytest.fixture
def api(client_as: ClientAs) -> TestClient:
    """A program with an operator's token."""
    client = client_as("operator")
    client.headers.update(JSON)
    return client


@pytest.fixture
def shops(db: Session) -> None:
    db.add_all(Service(name=f"Shop {n:03}", url="https://shop.example.com", status=200 + n) for n in range(60))
    db.commit()


@pytest.mark.usefixtures("shops")
def test_rows_are_found_by_the_tables_own_parameters(api: TestClient) -> None:
    page = api.get("/api/services", params={"q": "shop 05", "sort": "-name"}).json()
    assert (page["total"], page["matching"], page["pages"], page["next"]) == (60, 11, 1, None)
    assert page["rows"][0]["name"] == "Shop 059"
    assert page["rows"][0]["status"] == 259


def test_many_that_write_at_once_are_all_served(served: TestClient, api: TestClient) -> None:
    ask = partial(served.post, "/api/services", headers=api.headers)  # all on the one event loop of a server
    answers = together(*[partial(ask, json={"name": f"Shop {n}", "url": "https://a.example"}) for n in range(60)])
    assert {answer.status_code for answer in answers} == {201}


@pytest.mark.usefixtures("shops")
def test_the_next_page_is_a_link(api: TestClient) -> None:
    first = api.get("/api/services", params={"size": 50}).json()
    assert [row["name"] for row in api.get(first["next"]).json()["rows"]][:1] == ["Shop 050"]


def test_what_cannot_be_understood_is_said_field_by_field(api: TestClient) -> None:
    problem = api.post("/api/services", json={"name": "", "url": "shop"}).json()
    assert [error["field"] for error in problem["errors"]] == ["body.name", "body.url"]
    assert api.get("/api/services", params={"page": "last"}).json()["errors"][0]["field"] == "query.page"


def test_a_service_is_added_once(api: TestClient) -> None:
    new = {"name": "Shop", "url": "https://shop.example.com"}
    assert api.post("/api/services", json=new).json()["id"] == 1
    assert api.post("/api/services", json=new).status_code == 409


def operations(client: TestClient) -> list[dict[str, Any]]:
    paths = client.get("/-/openapi.json").json()["paths"].values()
    return [operation for path in paths for operation in path.values()]


def test_every_operation_says_who_may_and_how_it_fails(api: TestClient) -> None:
    assert [o["operationId"] for o in operations(api) if not {"401", "403", "422"} <= set(o["responses"])] == []
    assert {tuple(way for one in o["security"] for way in one) for o in operations(api)} == {("token", "session")}


def test_operation_ids_are_unique(api: TestClient) -> None:
    ids = [operation["operationId"] for operation in operations(api)]
    assert len(ids) == len(set(ids)) > 0


def test_the_document_names_the_tables_filters(api: TestClient) -> None:
    path = api.get("/-/openapi.json").json()["paths"]["/api/services"]["get"]
    assert {"q", "page", "size", "sort", "match", "owner", "owner.has"} == {
        parameter["name"] for parameter in path["parameters"]
    }


@pytest.fixture(scope="session")
def app() -> App:
    return App(features=[services.feature], settings=Settings)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", promises.MODES)
def test_the_api_answers_as_its_document_says(mode: GenerationMode, api: TestClient) -> None:
    assert promises.keep(api, mode) == 3
