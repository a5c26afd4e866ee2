from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlmodel import SQLModel, col

from core import auth
from core.auth import Identity, SignedIn, SignInLink, Token, User
from core.crypto import fingerprint
from core.db import Database, Session
from core.errors import CoreError, Refused
from core.marks import Role
from core.testing import TESTER
from core.time import in_days, now

PASSWORD = "correct horse battery"
BROWSER = {"days": 14, "address": "10.0.0.1", "agent": "x" * 300}


@pytest.fixture
def ann(db: Session) -> User:
    """A user who may sign in."""
    return auth.add_user(db, "ann", "operator")


def secret_of(link: str) -> str:
    return link.removeprefix("/-/sign-in/")


def is_void(db: Session, secret: str, *, take: bool = False) -> bool:
    with pytest.raises(Refused) as refused:
        auth.link_user(db, secret, take=take)
    return refused.value.status == 410


def count(db: Session, model: type[SQLModel]) -> int:
    return int(db.execute(select(func.count()).select_from(model)).scalar_one())


def age(db: Session, model: type[SQLModel], **columns: timedelta) -> None:
    """Make every row of a table older."""
    db.bulk(update(model).values(**{name: now() - by for name, by in columns.items()}), why="test")
    db.expire_all()


@pytest.mark.parametrize(
    ("name", "role", "said"),
    [
        ("ann", "viewer", "there is a user 'ann' already; see: python -m core users list"),
        ("bob", "king", "'king' is no role; use one of viewer, operator, admin"),
        ("", "viewer", "'' is no name for a user"),
        (" bob", "viewer", "' bob' is no name for a user"),
        ("b" * 101, "viewer", "it needs 1 to 100 characters"),
    ],
    ids=["taken", "role", "empty", "space", "long"],
)
def test_a_user_that_cannot_be_is_refused(db: Session, ann: User, name: str, role: str, said: str) -> None:
    with pytest.raises(CoreError) as caught:
        auth.add_user(db, name, role)
    assert said in str(caught.value)


def test_a_link_signs_in_once(db: Session, ann: User) -> None:
    secret = secret_of(auth.make_link(db, ann))
    db.flush()
    assert auth.link_user(db, secret) is ann and auth.link_user(db, secret) is ann
    assert auth.link_user(db, secret, take=True) is ann
    db.expire_all()
    assert is_void(db, secret)


def test_only_a_links_fingerprint_is_kept(db: Session, ann: User) -> None:
    secret = secret_of(auth.make_link(db, ann))
    db.flush()
    assert list(db.execute(select(col(SignInLink.fingerprint))).scalars()) == [fingerprint(secret)]


@pytest.mark.sqlite("a trigger in its words")
def test_a_link_that_another_used_meanwhile_signs_nobody_in(database: Database, db: Session, ann: User) -> None:
    secret = secret_of(auth.make_link(db, ann))
    db.commit()
    db.connection().exec_driver_sql(
        "CREATE TRIGGER first BEFORE DELETE ON core_sign_in_link BEGIN SELECT RAISE(IGNORE); END"
    )
    assert is_void(db, secret, take=True)


def test_a_link_expires(db: Session, ann: User) -> None:
    secret = secret_of(auth.make_link(db, ann))
    db.flush()
    age(db, SignInLink, expires_at=timedelta(seconds=1))
    assert is_void(db, secret)


def test_an_unknown_link_signs_nobody_in(db: Session) -> None:
    assert is_void(db, "guessed")


def test_a_disabled_user_is_signed_out_and_kept_out(database: Database, db: Session, ann: User) -> None:
    auth.set_password(db, ann, PASSWORD)
    session = auth.sign_in(db, ann, **BROWSER)  # type: ignore[arg-type]
    link = secret_of(auth.make_link(db, ann))
    db.flush()
    auth.disable(db, ann)
    db.commit()
    assert auth.prove(database, TESTER, "ann", PASSWORD) is None
    assert auth.identity_of(db, session, SignedIn) is None
    assert is_void(db, link)
    assert count(db, SignedIn) == 0


def test_a_disabled_user_gets_no_link(db: Session, ann: User) -> None:
    auth.disable(db, ann)
    with pytest.raises(Refused, match=r"ann is disabled, so no link would sign them in; enable them first"):
        auth.make_link(db, ann)


def test_a_session_knows_its_user(db: Session, ann: User) -> None:
    secret = auth.sign_in(db, ann, **BROWSER)  # type: ignore[arg-type]
    db.flush()
    assert auth.identity_of(db, secret, SignedIn) == Identity("ann", "operator", "user", ann.id)
    assert auth.identity_of(db, "guessed", SignedIn) is None
    (row,) = db.execute(select(SignedIn)).scalars()
    assert (row.fingerprint, row.address, len(row.agent)) == (fingerprint(secret), "10.0.0.1", 200)


def test_a_session_expires_unless_it_is_used(db: Session, ann: User) -> None:
    secret = auth.sign_in(db, ann, **BROWSER)  # type: ignore[arg-type]
    db.flush()
    age(db, SignedIn, seen_at=timedelta(minutes=6))
    found = auth.identity_of(db, secret, SignedIn)
    assert found == Identity("ann", "operator", "user", ann.id) and found.is_stale
    auth.touch(db, found, secret, days=30)
    db.expire_all()
    (row,) = db.execute(select(SignedIn)).scalars()
    assert row.expires_at - now() > timedelta(days=29) and now() - row.seen_at < timedelta(minutes=1)
    age(db, SignedIn, expires_at=timedelta(seconds=1))
    assert auth.identity_of(db, secret, SignedIn) is None


def test_signing_out_ends_one_session(db: Session, ann: User) -> None:
    first, second = [auth.sign_in(db, ann, **BROWSER) for _ in range(2)]  # type: ignore[arg-type]
    db.flush()
    assert count(db, SignedIn) == 2
    auth.end_session(db, fingerprint(first))
    assert auth.identity_of(db, first, SignedIn) is None and auth.identity_of(db, second, SignedIn)


def test_a_password_signs_in_whom_it_fits(database: Database, db: Session, ann: User) -> None:
    auth.set_password(db, ann, PASSWORD)
    db.commit()
    tries = [("ann", PASSWORD), ("ann", PASSWORD + "!"), ("nobody", PASSWORD)]
    found = [auth.prove(database, TESTER, name, password) for name, password in tries]
    assert [user and user.name for user in found] == ["ann", None, None]
    assert ann.password_hash.startswith("$argon2") and PASSWORD not in ann.password_hash


def test_who_has_no_password_cannot_sign_in_with_one(database: Database, db: Session, ann: User) -> None:
    db.commit()
    assert auth.prove(database, TESTER, "ann", "") is None


def test_to_check_nobodys_password_takes_as_long_as_to_check_somebodys(db: Session, ann: User) -> None:
    auth.set_password(db, ann, PASSWORD)
    assert auth._NO_PASSWORD.split("$")[:4] == ann.password_hash.split("$")[:4]
    assert len(auth._NO_PASSWORD) == len(ann.password_hash)


@pytest.mark.parametrize(("length", "is_fine"), [(11, False), (12, True)])
def test_a_password_has_a_least_length(db: Session, ann: User, length: int, is_fine: bool) -> None:
    with pytest.raises(CoreError, match="at least 12 characters") if not is_fine else pytest.MonkeyPatch.context():
        auth.set_password(db, ann, "x" * length)
    assert bool(ann.password_hash) is is_fine


def test_a_token_stands_for_its_role(db: Session) -> None:
    secret = auth.make_token(db, "ci", "viewer")
    db.flush()
    assert secret.startswith("pyops_")
    assert auth.identity_of(db, secret, Token) == Identity("ci", "viewer", "token", 1)
    assert auth.identity_of(db, "pyops_guessed", Token) is None
    assert db.get_one(Token, 1).fingerprint == fingerprint(secret)


def test_a_token_expires_when_it_was_given_days(db: Session) -> None:
    secret = auth.make_token(db, "ci", "viewer", expires_at=in_days(1))
    db.flush()
    assert auth.identity_of(db, secret, Token)
    age(db, Token, expires_at=timedelta(seconds=1))
    assert auth.identity_of(db, secret, Token) is None


def test_roles_are_checked_wherever_they_are_given(db: Session, ann: User) -> None:
    with pytest.raises(Refused, match="'king' is no role"):
        auth.make_token(db, "ci", "king")
    with pytest.raises(Refused, match="'king' is no role"):
        auth.change_role(db, ann, "king")
    auth.change_role(db, ann, "admin")
    assert ann.role == "admin"


@pytest.mark.parametrize(
    ("has", "needs", "may"),
    [("viewer", "viewer", True), ("viewer", "operator", False), ("operator", "viewer", True),
     ("operator", "admin", False), ("admin", "admin", True), ("admin", "viewer", True)],
)  # fmt: skip
def test_a_role_includes_those_below(has: Role, needs: Role, may: bool) -> None:
    assert Identity("x", has).can(needs) is may


def test_a_tool_is_new_until_somebody_signed_in_or_has_a_password(database: Database, db: Session, ann: User) -> None:
    assert auth.nobody_signed_in_yet(db)
    with db.begin_nested() as savepoint:
        auth.set_password(db, ann, PASSWORD)
        db.flush()
        assert not auth.nobody_signed_in_yet(db)
        savepoint.rollback()
    secret = auth.sign_in(db, db.get_one(User, 1), **BROWSER)  # type: ignore[arg-type]
    auth.end_session(db, fingerprint(secret))
    assert not auth.nobody_signed_in_yet(db)


def test_using_one_link_voids_the_others(db: Session, ann: User) -> None:
    first, second = (secret_of(auth.make_link(db, ann)) for _ in range(2))
    db.flush()
    assert auth.link_user(db, first, take=True)
    assert is_void(db, second)


def test_a_new_password_ends_what_the_old_one_opened(db: Session, ann: User) -> None:
    secret = auth.sign_in(db, ann, **BROWSER)  # type: ignore[arg-type]
    db.flush()
    auth.set_password(db, ann, PASSWORD)
    assert auth.identity_of(db, secret, SignedIn) is None


def test_a_users_deletion_ends_their_sessions(database: Database, db: Session, ann: User) -> None:
    auth.sign_in(db, ann, **BROWSER)  # type: ignore[arg-type]
    db.commit()
    with database.write(TESTER) as other:
        other.delete(other.get_one(User, ann.id))
    assert count(db, SignedIn) == 0
