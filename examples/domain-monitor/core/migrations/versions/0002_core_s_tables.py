"""core's tables; 0001 and 0002 became one before the first release."""

from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlmodel import AutoString, UTCDateTime

revision = "0002"
down_revision = None


def columns(type_: Any, *names: str, **options: Any) -> list[sa.Column[Any]]:
    return [sa.Column(name, type_, **{"nullable": False, **options}) for name in names]


texts, numbers = partial(columns, AutoString()), partial(columns, sa.Integer())
moments, flags = partial(columns, UTCDateTime()), partial(columns, sa.Boolean())
key, INT = partial(sa.Column[Any], primary_key=True, nullable=False), sa.Integer


def belongs(name: str, to: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), sa.ForeignKey(to, ondelete="CASCADE"), nullable=nullable)


def create(name: str, *parts: Any, index: str = "") -> None:
    op.create_table(name, *parts)
    for column in index.split():
        op.create_index(f"ix_{name}_{column}", name, [column])


def upgrade() -> None:
    create("core_audit", key("id", INT), *moments("at"), *texts("actor", "actor_kind", "did", "op", "table", "key"),
           *columns(sa.JSON(), "before", "after"), *texts("request_id", "address"), index="actor at table")  # fmt: skip
    create("core_job", key("name", AutoString), *moments("since"), *moments("paused_at", nullable=True),
           *texts("paused_by"))  # fmt: skip
    create("core_run", key("id", INT), *texts("job", "state", "started_by", "cancel_asked_by", "doing", "error"),
           *moments("due_at", "not_before", "started_at", "ended_at", "beat_at", nullable=True), *moments("queued_at"),
           *numbers("attempt", "done", "total", "failures"), *columns(sa.JSON(), "params", "steps"),
           sa.UniqueConstraint("job", "due_at"), index="job state")  # fmt: skip
    create("core_run_log", key("id", INT), belongs("run_id", "core_run.id"), *moments("at"), *texts("level", "text"),
           *texts("step", "detail", server_default=""), index="run_id")  # fmt: skip
    create("core_user", key("id", INT), *columns(AutoString(length=100), "name"), *texts("role", "password_hash"),
           *flags("is_active"), *moments("signed_in_at", nullable=True), *moments("created_at"),
           *texts("issuer", "subject", nullable=True), sa.UniqueConstraint("name"))  # fmt: skip
    op.create_index("ix_core_user_issuer_subject", "core_user", ["issuer", "subject"], unique=True)
    create("core_token", key("id", INT), *texts("name", "role", "fingerprint", "scopes"), *moments("created_at"),
           *moments("expires_at", "last_used_at", nullable=True), belongs("user_id", "core_user.id", nullable=True),
           sa.UniqueConstraint("fingerprint"), index="user_id")  # fmt: skip
    create("core_session", key("fingerprint", AutoString), belongs("user_id", "core_user.id"),
           *moments("created_at", "seen_at", "expires_at"), *texts("address", "agent"), index="user_id")  # fmt: skip
    create("core_sign_in_link", key("fingerprint", AutoString), belongs("user_id", "core_user.id"),
           *moments("expires_at"), index="user_id")  # fmt: skip
    create("core_attempt", key("fingerprint", AutoString), *numbers("wrong"), *moments("at"), index="at")
    create("core_sent_form", key("key", AutoString), *moments("at"), *texts("url", "toast"), index="at")
    create("core_finding", key("id", INT), *texts("alert", "key", "text", "href", "acknowledged_by"),
           *columns(sa.Date(), "on", "muted_until", nullable=True), *moments("resolved_at", nullable=True),
           *flags("critical"), *moments("opened_at", "told_at"), index="alert resolved_at")  # fmt: skip
    create("core_message", key("id", INT), *texts("channel", "title", "body", "error"), *numbers("tries"),
           *moments("created_at"), *moments("sent_at", nullable=True), index="sent_at")  # fmt: skip
    for change in ("UPDATE", "DELETE"):  # the database itself refuses to rewrite the audit
        name, said = f"core_audit_no_{change.lower()}", "core_audit is only appended to"
        body = f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        if op.get_bind().dialect.name == "postgresql":
            made = f"RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{said}'; END $$"
            op.execute(f"CREATE FUNCTION {name}() {made}")
            body = f"FOR EACH ROW EXECUTE FUNCTION {name}()"
        op.execute(f"CREATE TRIGGER {name} BEFORE {change} ON core_audit {body}")
