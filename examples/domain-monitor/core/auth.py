"""People and programs: users, sessions, one-time sign-in links, API tokens, and the role each has."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import BoundedSemaphore

from pwdlib import PasswordHash
from sqlalchemy import delete, select, update
from sqlmodel import Field, SQLModel, col

from .crypto import fingerprint, new_token
from .db import Session
from .errors import Refused, UserError
from .marks import ROLES, Role
from .time import now

LINK_LIFETIME = timedelta(hours=24)
SEEN_EVERY = timedelta(minutes=5)
TOKEN_PREFIX = "pyops_"
SHORTEST_PASSWORD = 12
HASHES_AT_ONCE = 2
HASHING_WAIT_S = 0.5
_hashing = BoundedSemaphore(HASHES_AT_ONCE)
LONGEST_NAME = 100
_AUDITED = {"info": {"audited": True}}


class User(SQLModel, table=True):
    """A person who may sign in."""

    __tablename__ = "core_user"
    __table_args__ = _AUDITED

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, min_length=1, max_length=LONGEST_NAME)
    role: str = "viewer"
    password_hash: str = ""
    is_active: bool = True
    signed_in_at: datetime | None = Field(default=None, description="When they signed in last.")
    created_at: datetime = Field(default_factory=now)


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
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Identity:
    """Who makes a request: a user or a token, with a role."""

    name: str
    role: Role
    kind: str = "user"
    id: int | None = None

    def can(self, role: Role) -> bool:
        """Whether the role is at least this one."""
        return ROLES.index(self.role) >= ROLES.index(role)


def add_user(db: Session, name: str, role: str) -> User:
    """Create a user; UserError when the name is taken or unfit, or the role unknown."""
    known_role(role)
    if not 1 <= len(name) <= LONGEST_NAME or name != name.strip():
        raise UserError(f"{name!r} is no name for a user; it needs 1 to {LONGEST_NAME} characters, no space around")
    if find_user(db, name):
        raise UserError(f"there is a user {name!r} already; see: python -m core users list")
    user = User(name=name, role=role)
    db.add(user)
    db.flush()
    return user


def find_user(db: Session, name: str) -> User | None:
    """The user of a name."""
    return db.execute(select(User).where(col(User.name) == name)).scalar()


def make_link(db: Session, user: User) -> str:
    """A new sign-in link for a user, as a path; it works once, for 24 hours."""
    db.bulk(delete(SignInLink).where(col(SignInLink.expires_at) < now()), why="expired")
    secret = new_token()
    db.add(SignInLink(fingerprint=fingerprint(secret), user_id=user.id or 0, expires_at=now() + LINK_LIFETIME))
    return f"/-/sign-in/{secret}"


def link_user(db: Session, secret: str) -> User | None:
    """The user whom a link would sign in; None when it is used, expired or unknown."""
    link = db.get(SignInLink, fingerprint(secret))
    user = db.get(User, link.user_id) if link and link.expires_at > now() else None
    return user if user and user.is_active else None


def use_link(db: Session, secret: str) -> User | None:
    """Take a link: the user, once."""
    user = link_user(db, secret)
    mine = delete(SignInLink).where(col(SignInLink.fingerprint) == fingerprint(secret))
    if user is None or not db.bulk(mine, why="used"):
        return None
    db.bulk(delete(SignInLink).where(col(SignInLink.user_id) == user.id), why="another was used")
    return user


def change_role(user: User, role: str) -> None:
    """Give a user another role; UserError when there is no such role."""
    known_role(role)
    user.role = role


def end_sessions(db: Session, user: User) -> None:
    """Sign a user out everywhere, and void their sign-in links."""
    db.bulk(delete(SignedIn).where(col(SignedIn.user_id) == user.id), why="signed out everywhere")
    db.bulk(delete(SignInLink).where(col(SignInLink.user_id) == user.id), why="signed out everywhere")


def disable(db: Session, user: User) -> None:
    """Keep a user from signing in, and end their sessions and links."""
    user.is_active = False
    end_sessions(db, user)


def set_password(db: Session, user: User, password: str) -> None:
    """Store a password's argon2 hash, and end what the old one opened; UserError when it is too short."""
    if len(password) < SHORTEST_PASSWORD:
        raise UserError(f"a password needs at least {SHORTEST_PASSWORD} characters")
    user.password_hash = PasswordHash.recommended().hash(password)
    end_sessions(db, user)


def check_password(db: Session, name: str, password: str) -> User | None:
    """The active user of a name and password. As slow for an unknown name as for a wrong password.

    Refused (429) while HASHES_AT_ONCE others are being checked: guessing must not take the machine from others.
    """
    hasher = PasswordHash.recommended()
    user = find_user(db, name)
    stored = user.password_hash if user and user.password_hash else _no_password()
    if not _hashing.acquire(timeout=HASHING_WAIT_S):
        raise Refused(429, "Many are signing in at this moment; try again in a few seconds.")
    try:
        fits = hasher.verify(password, stored)
    finally:
        _hashing.release()
    return user if user and fits and user.is_active and user.password_hash else None


def sign_in(db: Session, user: User, *, days: int, address: str, agent: str) -> str:
    """Open a session; returns the secret for its cookie."""
    db.bulk(delete(SignedIn).where(col(SignedIn.expires_at) < now()), why="expired")
    secret, at = new_token(), now()
    db.get_one(User, user.id).signed_in_at = at
    db.add(
        SignedIn(
            fingerprint=fingerprint(secret), user_id=user.id or 0, created_at=at, seen_at=at,
            expires_at=at + timedelta(days=days), address=address, agent=agent[:200],
        )
    )  # fmt: skip
    return secret


def sign_out(db: Session, secret: str) -> None:
    """End the session of a cookie."""
    db.bulk(delete(SignedIn).where(col(SignedIn.fingerprint) == fingerprint(secret)), why="signed out")


def session_identity(db: Session, secret: str) -> tuple[Identity, bool] | None:
    """Who a session cookie belongs to, and whether its `seen_at` should be moved."""
    row = db.execute(
        select(col(User.id), col(User.name), col(User.role), col(SignedIn.seen_at))
        .join(SignedIn, col(SignedIn.user_id) == col(User.id))
        .where(col(SignedIn.fingerprint) == fingerprint(secret), col(SignedIn.expires_at) > now(), col(User.is_active))
    ).first()
    return (Identity(row.name, row.role, "user", row.id), now() - row.seen_at > SEEN_EVERY) if row else None


def touch(db: Session, secret: str, *, days: int) -> None:
    """Note that a session was used, and let it last from now on."""
    at = now()
    seen = update(SignedIn).where(col(SignedIn.fingerprint) == fingerprint(secret))
    db.bulk(seen.values(seen_at=at, expires_at=at + timedelta(days=days)), why="seen")


def make_token(db: Session, name: str, role: str, *, days: int | None = None) -> str:
    """Create an API token; the secret is shown this once."""
    known_role(role)
    secret = new_token(TOKEN_PREFIX)
    expires_at = now() + timedelta(days=days) if days else None
    db.add(Token(name=name, role=role, fingerprint=fingerprint(secret), expires_at=expires_at))
    return secret


def token_identity(db: Session, secret: str) -> Identity | None:
    """Who a bearer token stands for."""
    token = db.execute(select(Token).where(col(Token.fingerprint) == fingerprint(secret))).scalar()
    if token is None or (token.expires_at and token.expires_at < now()):
        return None
    return Identity(token.name, token.role, "token", token.id)


def nobody_signed_in_yet(db: Session) -> bool:
    """Whether the tool is new: nobody has ever signed in, and nobody was given a password."""
    begun = col(User.signed_in_at).is_not(None) | (col(User.password_hash) != "")
    return db.execute(select(col(User.id)).where(begun).limit(1)).first() is None


def known_role(name: str) -> Role:
    """The role of that name; UserError when there is none."""
    for role in ROLES:
        if role == name:
            return role
    raise UserError(f"{name!r} is no role; use one of {', '.join(ROLES)}")


@cache
def _no_password() -> str:
    return PasswordHash.recommended().hash("nobody has this password")
