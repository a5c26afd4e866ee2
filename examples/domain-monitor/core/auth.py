"""People and programs: users, sessions, one-time sign-in links, API tokens, and the role each has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from threading import BoundedSemaphore
from typing import Any

from pwdlib import PasswordHash
from sqlalchemy import Index, delete, select, update
from sqlmodel import Field, SQLModel, col

from .crypto import fingerprint, new_token
from .db import Actor, Change, Database, Session
from .errors import Refused
from .marks import ROLES, Role
from .time import duration_in_words, now

LINK_LIFETIME, SEEN_EVERY = timedelta(hours=24), timedelta(minutes=5)
READ = "read"
SHORTEST_PASSWORD, LONGEST_NAME = 12, 100
FREE_TRIES = 5, 20  # wrong passwords of a name, and of an address (a whole office's?), within TRIES_WINDOW
TRIES_WINDOW = timedelta(minutes=15)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)  # doubled at each further wrong one
_NO_PASSWORD = "$argon2id$v=19$m=65536,t=3,p=4$sSUrzpgfUy67I6vX7GHoVg$zD/lAu1HldvMh92HIN9Lr/l3BQQhdvavZXKdPDNVvO0"
_hashing = BoundedSemaphore(2)  # passwords checked at once: guessing must not take the machine from others
_AUDITED = {"info": {"audited": True}}


class User(SQLModel, table=True):
    """A person who may sign in."""

    __tablename__ = "core_user"
    __table_args__ = (Index("ix_core_user_issuer_subject", "issuer", "subject", unique=True), _AUDITED)
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, min_length=1, max_length=LONGEST_NAME)
    role: str = "viewer"
    password_hash: str = ""
    is_active: bool = True
    signed_in_at: datetime | None = Field(default=None, description="When they signed in last.")
    created_at: datetime = Field(default_factory=now)
    issuer: str | None = Field(default=None, description="Who vouches for them and gives the role; None: this tool.")
    subject: str | None = None


class SignedIn(SQLModel, table=True):
    """One browser that is signed in; deleting the row signs it out."""

    __tablename__ = "core_session"
    fingerprint: str = Field(primary_key=True)
    user_id: int = Field(foreign_key="core_user.id", ondelete="CASCADE", index=True)
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str


class SignInLink(SQLModel, table=True):
    """A one-time link; its page has a button, so a scanner that follows links burns nothing."""

    __tablename__ = "core_sign_in_link"
    fingerprint: str = Field(primary_key=True)
    user_id: int = Field(foreign_key="core_user.id", ondelete="CASCADE", index=True)
    expires_at: datetime


class Token(SQLModel, table=True):
    """An API token; only its fingerprint is kept."""

    __tablename__ = "core_token"
    __table_args__ = _AUDITED
    id: int | None = Field(default=None, primary_key=True)
    name: str
    role: str
    fingerprint: str = Field(unique=True)
    created_at: datetime = Field(default_factory=now)
    expires_at: datetime | None = Field(default=None, description="It works for ever when left empty.")
    last_used_at: datetime | None = None
    scopes: str = Field("", description="“read” for reading only, paths such as /domains for what is below them.")
    user_id: int | None = Field(default=None, foreign_key="core_user.id", ondelete="CASCADE", index=True)


class Attempt(SQLModel, table=True):
    """How many wrong passwords came for one name, or from one address, and when the last one did."""

    __tablename__ = "core_attempt"
    fingerprint: str = Field(primary_key=True)
    wrong: int = 0
    at: datetime = Field(default_factory=now, index=True)


@dataclass(frozen=True)
class Identity:
    """Who makes a request: a user or a token, with a role; `scopes` narrow what a token reaches."""

    name: str
    role: Role
    kind: str = "user"
    id: int | None = None
    scopes: tuple[str, ...] = ()
    is_stale: bool = field(default=False, compare=False, repr=False)  # whether `touch` has something to note

    def can(self, role: Role) -> bool:
        """Whether the role is at least this one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def reaches(self, path: str, *, writes: bool) -> bool:
        """Whether the scopes leave a path open: "read" forbids writes, paths all that is not below one of them."""
        below = [scope.rstrip("/") for scope in self.scopes if scope != READ] or [""]
        return not (writes and READ in self.scopes) and any(f"{path}/".startswith(f"{one}/") for one in below)


def add_user(db: Session, name: str, role: str) -> User:
    """Create a user; Refused when the name is taken or unfit, or the role unknown."""
    if not 1 <= len(name) <= LONGEST_NAME or name != name.strip():
        raise Refused(422, f"{name!r} is no name for a user; it needs 1 to {LONGEST_NAME} characters, no space around")
    if find_user(db, name):
        raise Refused(409, f"there is a user {name!r} already; see: python -m core users list")
    db.add(user := User(name=name, role=known_role(role)))
    db.flush()
    return user


def find_user(db: Session, name: str) -> User | None:
    """The user of a name."""
    return db.execute(select(User).where(col(User.name) == name)).scalar()


def admit(
    database: Database, actor: Actor, issuer: str, subject: str, *, groups: list[str], roles: Mapping[str, Role]
) -> User:
    """The user whom somebody else vouches for, with the highest role that a group, or "*", gives now; else Refused."""
    role = max((roles[group] for group in ("*", *groups) if group in roles), key=ROLES.index, default=None)
    if role is None:
        raise Refused(403, "None of your groups may use this tool. Ask whoever runs it to give one of them a role.")
    known = select(User).where(col(User.issuer) == issuer, col(User.subject) == subject)  # never by a name they chose
    with database.read() as db:
        user = db.execute(known).scalar()
    if user is None or user.role != role:
        with database.write(actor) as db:
            user = db.execute(known).scalar()
            if user is None:
                name = " ".join(actor.name.split())[: LONGEST_NAME - 10].strip() or "somebody"
                is_taken = find_user(db, name) is not None
                user = add_user(db, f"{name} {fingerprint(issuer + subject)[:8]}" if is_taken else name, role)
            user.issuer, user.subject, user.role = issuer, subject, role
    if not user.is_active:
        raise Refused(403, f"{user.name} is disabled in this tool. Ask an admin.")
    return user


def make_link(db: Session, user: User) -> str:
    """Make a new sign-in link for a user, as a path; it works once, for 24 hours. Refused when they may not sign in."""
    if not user.is_active:
        raise Refused(409, f"{user.name} is disabled, so no link would sign them in; enable them first, under People.")
    secret = new_token()
    db.add(SignInLink(fingerprint=fingerprint(secret), user_id=user.id or 0, expires_at=now() + LINK_LIFETIME))
    return f"/-/sign-in/{secret}"


def link_user(db: Session, secret: str, *, take: bool = False) -> User:
    """The user whom a link signs in; `take` it, and it and their others are void. Refused (410) when it is too late."""
    user, mine = _opened_by(db, secret, SignInLink)[1], col(SignInLink.fingerprint) == fingerprint(secret)
    if user is None or (take and not db.bulk(delete(SignInLink).where(mine), why="used")):
        raise Refused(410, "This link has been used or is too old. Make a new one: python -m core users link NAME")
    if take:
        db.bulk(delete(SignInLink).where(col(SignInLink.user_id) == user.id), why="another was used")
    return user


def change_role(db: Session, user: User, role: str) -> str:
    """Give a user another role."""
    if user.issuer:
        raise Refused(409, f"{user.name} gets the role from {user.issuer} at each sign-in; change the groups there.")
    if known_role(role) != "admin":
        _keep_an_admin(db, user)
    user.role = role
    return f"{user.name} is {role} now"


def set_password(db: Session, user: User, password: str) -> str:
    """Store a password's argon2 hash, and end what the old one opened; Refused when it is too short."""
    if user.issuer:
        raise Refused(409, f"{user.name} signs in through {user.issuer}; the password is changed there.")
    if len(password) < SHORTEST_PASSWORD:
        raise Refused(422, f"a password needs at least {SHORTEST_PASSWORD} characters")
    user.password_hash = PasswordHash.recommended().hash(password)
    return sign_out(db, user)


def sign_out(db: Session, user: User) -> str:
    """Sign a user out everywhere, and void their sign-in links."""
    for table in (SignedIn, SignInLink):
        db.bulk(delete(table).where(col(table.user_id) == user.id), why="signed out everywhere")
    db.changes.append(Change("sign out", "core_user", str(user.id), {}, {}))
    return f"{user.name} is signed out everywhere"


def disable(db: Session, user: User) -> str:
    """Keep a user from signing in, end their sessions and links, and let their tokens rest."""
    _keep_an_admin(db, user)
    user.is_active = False
    sign_out(db, user)
    return f"{user.name} cannot sign in any more"


def enable(_db: Session, user: User) -> str:
    """Let a disabled user sign in again."""
    user.is_active = True
    return f"{user.name} may sign in again"


DEEDS: dict[str, Callable[[Session, User], str]] = {"disable": disable, "enable": enable, "sign-out": sign_out}


def prove(database: Database, actor: Actor, name: str, password: str) -> User | None:
    """The active user of a name and password; Refused (429) while the name or the address must wait, or many try."""
    keys = fingerprint(f"name {name.casefold()}"), fingerprint(f"address {actor.address}")  # a name may be a password
    if not _hashing.acquire(timeout=0.5):  # before the try is counted: who is not checked was not wrong
        raise Refused(429, "Many are signing in at this moment; try again in a few seconds.")
    try:
        with database.write(actor) as db:  # counted before it is checked, so that many at once count too
            db.bulk(delete(Attempt).where(col(Attempt.at) < now() - LONGEST_WAIT - TRIES_WINDOW), why="long ago")
            for key, free in zip(keys, FREE_TRIES, strict=True):
                _count(db, db.get(Attempt, key) or Attempt(fingerprint=key), free)
        with database.read() as db:
            user = find_user(db, name)
        stored = (user and user.password_hash) or _NO_PASSWORD  # as slow for an unknown name
        fits = PasswordHash.recommended().verify(password, stored)  # it keeps no writer waiting
    finally:
        _hashing.release()
    if not (user and user.is_active and user.password_hash and fits):
        return None
    with database.write(actor) as db:
        by_name, by_address = (update(Attempt).where(col(Attempt.fingerprint) == key) for key in keys)
        db.bulk(by_name.values(wrong=0), why="signed in")
        db.bulk(by_address.values(wrong=col(Attempt.wrong) - 1), why="signed in")
    return user


def sign_in(db: Session, user: User, *, days: int, address: str, agent: str) -> str:
    """Open a session; returns the secret for its cookie."""
    secret, at = new_token(), now()
    db.get_one(User, user.id).signed_in_at = at
    given: dict[str, Any] = {"fingerprint": fingerprint(secret), "address": address, "agent": agent[:200]}
    db.add(SignedIn(user_id=user.id or 0, created_at=at, seen_at=at, expires_at=at + timedelta(days=days), **given))
    return secret


def end_session(db: Session, key: str) -> None:
    """Sign one browser out, by the fingerprint of its cookie."""
    if db.bulk(delete(SignedIn).where(col(SignedIn.fingerprint) == key), why="signed out"):
        db.changes.append(Change("sign out", "core_session", key, {}, {}))


def identity_of(db: Session, secret: str, kind: type[SignedIn | Token]) -> Identity | None:
    """Who a session's or a token's secret stands for; somebody's token has at most their role and ends with them."""
    row, user = _opened_by(db, secret, kind)
    if isinstance(row, Token):
        role, used_at = min(row.role, user.role if user else row.role, key=ROLES.index), row.last_used_at
        name = f"{row.name} of {user.name}" if user else row.name  # people name tokens as they like
        is_stale = used_at is None or now() - used_at > SEEN_EVERY
        return Identity(name, known_role(role), "token", row.id, tuple(row.scopes.split()), is_stale=is_stale)
    if user is None:
        return None
    return Identity(user.name, known_role(user.role), "user", user.id, is_stale=now() - row.seen_at > SEEN_EVERY)


def touch(db: Session, identity: Identity, secret: str, *, days: int) -> None:
    """Note that a session or token was used, which is no news for the audit; a session lasts from now on."""
    at, kind = now(), Token if identity.kind == "token" else SignedIn
    seen = {"last_used_at": at} if kind is Token else {"seen_at": at, "expires_at": at + timedelta(days=days)}
    db.connection().execute(update(kind).where(col(kind.fingerprint) == fingerprint(secret)).values(**seen))


def make_token(
    db: Session, name: str, role: str, *, scopes: str = "", expires_at: datetime | None = None, owner: int | None = None
) -> str:
    """Create an API token; the secret is shown this once. One with an owner never reaches beyond them."""
    if wrong := [scope for scope in scopes.split() if scope != READ and not scope.startswith("/")]:
        raise Refused(422, f"{wrong[0]!r} is no scope; write {READ}, or a path as in /domains")
    secret, only = new_token("pyops_"), " ".join(scopes.split())
    given: dict[str, Any] = {"scopes": only, "expires_at": expires_at, "user_id": owner}
    db.add(Token(name=name, role=known_role(role), fingerprint=fingerprint(secret), **given))
    return secret


def nobody_signed_in_yet(db: Session) -> bool:
    """Whether the tool is new: nobody has ever signed in, was given a password, or came from elsewhere."""
    begun = col(User.signed_in_at).is_not(None) | (col(User.password_hash) != "") | col(User.issuer).is_not(None)
    return db.execute(select(col(User.id)).where(begun).limit(1)).first() is None


def known_role(name: str) -> Role:
    """The role of that name; Refused (422) when there is none."""
    if name not in ROLES:
        raise Refused(422, f"{name!r} is no role; use one of {', '.join(ROLES)}")
    return name


def _opened_by(db: Session, secret: str, table: Any) -> tuple[Any, User | None]:
    """The row of a secret, unless it has expired or its user is disabled; and that user."""
    is_valid = (table.expires_at.is_(None) | (table.expires_at > now())) & col(User.is_active).is_not(False)
    found = select(table, User).outerjoin(User).where(table.fingerprint == fingerprint(secret), is_valid)
    row, user = db.execute(found).first() or (None, None)
    return row, user


def _keep_an_admin(db: Session, user: User) -> None:
    """Refuse (409) to take away the last active admin."""
    others = select(User).where(col(User.role) == "admin", col(User.is_active), col(User.id) != user.id)
    if user.role == "admin" and user.is_active and db.execute(others.limit(1)).first() is None:
        raise Refused(409, f"{user.name} is the last active admin; make somebody else admin first.")


def _count(db: Session, row: Attempt, free: int) -> None:
    """Count one more try of so many free ones; Refused (429) while the last wrong one keeps it waiting."""
    at, over = now(), row.wrong - free
    free_at = row.at + min(FIRST_WAIT * 2 ** min(over, 10), LONGEST_WAIT) if over >= 0 else row.at
    if (left_s := (free_at - at).total_seconds()) > 0:
        text = f"Too many wrong passwords. Try again in {duration_in_words(left_s)}, or ask for a sign-in link."
        raise Refused(429, text, headers={"Retry-After": str(ceil(left_s))})
    row.wrong, row.at = 1 if at > free_at + TRIES_WINDOW else row.wrong + 1, at
    db.add(row)
