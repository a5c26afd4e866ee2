"""Guessing passwords gets slower, for a name and for an address, and never keeps a sign-in link out."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from core import auth, now
from core.auth import Attempt
from core.db import Database
from core.testing import TESTER, html

PASSWORD = "correct horse battery"
RIGHT = {"name": "Ann", "password": PASSWORD}


@pytest.fixture
def link(database: Database) -> str:
    """A sign-in link of Ann, who has a password too."""
    with database.write(TESTER) as db:
        user = auth.add_user(db, "Ann", "operator")
        auth.set_password(db, user, PASSWORD)
        return auth.make_link(db, user)


def guess(browser: TestClient, name: str = "Ann", times: int = 1) -> list[int]:
    typed = {"name": name, "password": "a guess"}
    return [browser.post("/-/sign-in", data=typed).status_code for _ in range(times)]


def wait(database: Database, **by: float) -> None:
    with database.write(TESTER) as db:
        db.bulk(update(Attempt).values(at=now() - timedelta(**by)), why="time passes")


def test_after_five_wrong_passwords_even_the_right_one_waits(link: str, served: TestClient) -> None:
    assert guess(served, times=6) == [422] * 5 + [429]
    response = served.post("/-/sign-in", data=RIGHT)
    assert response.status_code == 429 and 0 < int(response.headers["retry-after"]) <= 60
    assert "Too many wrong passwords. Try again in" in html(response).one("main").text


def test_how_a_name_is_written_makes_no_difference(link: str, served: TestClient) -> None:
    guess(served, times=5)
    assert guess(served, "ANN") == [429]


def test_the_wait_grows_with_each_further_guess(link: str, served: TestClient, database: Database) -> None:
    guess(served, times=5)
    wait(database, minutes=1, seconds=1)
    assert guess(served) == [422]
    assert 60 < int(served.post("/-/sign-in", data=RIGHT).headers["retry-after"]) <= 120


def test_a_link_signs_in_meanwhile(link: str, served: TestClient) -> None:
    guess(served, times=6)
    assert served.post(link).status_code == 303


def test_the_right_password_forgets_the_wrong_ones(link: str, served: TestClient, database: Database) -> None:
    guess(served, times=4)
    assert served.post("/-/sign-in", data=RIGHT).status_code == 303
    assert guess(served, times=5) == [422] * 5
    with database.read() as db:
        assert sorted(db.execute(select(Attempt.wrong)).scalars()) == [5, 9]  # the name, the address


def test_wrong_passwords_grow_old(link: str, served: TestClient, database: Database) -> None:
    guess(served, times=4)
    wait(database, minutes=16)
    assert guess(served, times=6) == [422] * 5 + [429]


def test_one_address_may_not_try_many_names(link: str, served: TestClient) -> None:
    assert [guess(served, f"name {number}") for number in range(20)] == [[422]] * 20
    assert guess(served, "Bob") == [429]
    assert served.post("/-/sign-in", data=RIGHT).status_code == 429


def test_what_was_long_ago_is_swept(served: TestClient, database: Database) -> None:
    guess(served, "Bob")
    wait(database, hours=2)
    guess(served, "Carl")
    with database.read() as db:
        assert len(db.execute(select(Attempt)).scalars().all()) == 2


@pytest.fixture
def crowd() -> Iterator[None]:
    """Two others whose passwords are being checked."""
    with auth._hashing, auth._hashing:
        yield


@pytest.mark.usefixtures("crowd")
def test_who_is_not_checked_for_the_crowd_was_not_wrong(link: str, served: TestClient, database: Database) -> None:
    response = served.post("/-/sign-in", data=RIGHT)
    assert response.status_code == 429
    assert "Many are signing in at this moment; try again" in html(response).one("main").text
    with database.read() as db:
        assert db.execute(select(Attempt)).all() == []


def test_what_was_typed_as_a_name_is_not_kept(served: TestClient, database: Database) -> None:
    guess(served, PASSWORD)
    with database.read() as db:
        assert PASSWORD not in str(db.execute(select(Attempt.fingerprint)).scalars().all())
