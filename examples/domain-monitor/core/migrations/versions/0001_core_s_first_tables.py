"""core's first tables."""

import sqlalchemy as sa
from sqlmodel import AutoString

from core.migrations.alembic import INT, belongs, columns, create, flags, key, moments, numbers, texts

revision = "0001"
down_revision = None


def upgrade() -> None:
    create("core_audit", key("id", INT), *moments("at"), *texts("actor", "actor_kind", "did", "op", "table", "key"),
           *columns(sa.JSON(), "before", "after"), *texts("request_id", "address"), index="actor at table")  # fmt: skip
    create("core_job", key("name", AutoString), *moments("since"))
    create("core_run", key("id", INT), *texts("job", "state", "started_by", "cancel_asked_by", "doing", "error"),
           *moments("due_at", "not_before", "started_at", "ended_at", "beat_at", nullable=True), *moments("queued_at"),
           *numbers("attempt", "done", "total", "failures"), sa.UniqueConstraint("job", "due_at"),
           index="job state")  # fmt: skip
    create("core_token", key("id", INT), *texts("name", "role", "fingerprint"), *moments("created_at"),
           *moments("expires_at", nullable=True), sa.UniqueConstraint("fingerprint"))  # fmt: skip
    create("core_user", key("id", INT), *columns(AutoString(length=100), "name"), *texts("role", "password_hash"),
           *flags("is_active"), *moments("signed_in_at", nullable=True), *moments("created_at"),
           sa.UniqueConstraint("name"))  # fmt: skip
    create("core_run_log", key("id", INT), belongs("run_id", "core_run.id"), *moments("at"), *texts("level", "text"),
           index="run_id")  # fmt: skip
    create("core_session", key("fingerprint", AutoString), belongs("user_id", "core_user.id"),
           *moments("created_at", "seen_at", "expires_at"), *texts("address", "agent"), index="user_id")  # fmt: skip
    create("core_sign_in_link", key("fingerprint", AutoString), belongs("user_id", "core_user.id"),
           *moments("expires_at"), index="user_id")  # fmt: skip
