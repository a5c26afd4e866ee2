"""Who waits for the writer keeps nobody else from an answer, and nobody keeps the writer."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient

from core import DB, App, DeclarationError, Feature, action, auth, page
from core.auth import User
from core.db import Database
from core.testing import TESTER

router = APIRouter()


@router.post("/waiting/plain")
def plain(db: DB) -> dict[str, str]:
    """Write a little."""
    db.add(User(name=f"user {time.perf_counter_ns()}"))
    return {}


@page("/waiting/calm")
def calm() -> Response:
    """Answer at once."""
    return Response("calm")


@action("/waiting/stream")
def stream(db: DB) -> Response:
    """Write, and read again while the answer goes out, which is too late."""
    db.add(User(name=f"user {time.perf_counter_ns()}"))

    def parts() -> Iterator[str]:
        yield "one"
        yield str(db.get(User, 1))

    return StreamingResponse(parts())


def module(**members: Any) -> ModuleType:
    made = ModuleType("tests.web.waiting")
    for name, member in members.items():
        setattr(made, name, member)
        if hasattr(member, "__module__") and callable(member):
            member.__module__ = made.__name__
    return made


@pytest.fixture(scope="session")
def app() -> App:
    return App(features=[Feature(module(router=router, calm=calm, stream=stream))])


def test_a_hundred_writers_of_a_plain_router_keep_no_page_waiting(served: TestClient, database: Database) -> None:
    with database.write(TESTER) as db:
        served.headers["Authorization"] = f"Bearer {auth.make_token(db, 'writer', 'operator')}"
    with ThreadPoolExecutor(100) as pool:
        with database.write(TESTER) as db:
            db.add(User(name="first"))
            db.flush()
            posts = [pool.submit(served.post, "/waiting/plain") for _ in range(100)]
            time.sleep(0.5)
            asked = time.perf_counter()
            assert served.get("/waiting/calm").text == "calm"
            took = time.perf_counter() - asked
        assert {post.result().status_code for post in posts} == {200}
    assert took < 2  # not the ten seconds that a writer may wait


def test_an_answer_that_streams_does_not_keep_the_writer(client: TestClient, database: Database) -> None:
    assert client.post("/waiting/stream").text == "one"  # and no more: a session that was settled stays closed
    with database.write(TESTER) as db:
        db.add(User(name="next"))


def test_a_viewer_may_not_write_through_a_plain_router(client_as: Callable[[str], TestClient]) -> None:
    assert client_as("viewer").post("/waiting/plain").status_code == 403


def test_an_async_endpoint_of_a_plain_router_is_refused_a_session() -> None:
    slow = APIRouter()

    @slow.get("/waiting/slow")
    async def look(db: DB) -> None:
        await asyncio.sleep(0)

    with pytest.raises(DeclarationError, match="look is async and takes DB"):
        App(features=[Feature(module(slow=slow))])


def test_head_is_answered_like_get(served: TestClient) -> None:
    assert served.head("/-/health").status_code == 200


def test_a_number_that_no_database_holds_is_not_found(client: TestClient) -> None:
    assert client.get("/-/jobs/runs/99999999999999999999").status_code == 404
