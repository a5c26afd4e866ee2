"""Findings, messages; an audit only appended to; people from elsewhere, scopes, throttling; jobs; forms."""

import sqlalchemy as sa
from alembic import op
from sqlmodel import AutoString, UTCDateTime

from core.migrations.parts import columns, create, extend, filled, key, moments, refuse, texts

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create(
        "core_finding", key(), *texts("alert", "key", "text", "href", "acknowledged_by"),
        *columns(sa.Boolean(), "critical"), sa.Column("on", sa.Date()), sa.Column("muted_until", sa.Date()),
        *moments("opened_at", "told_at"), *moments("resolved_at", nullable=True), index="alert resolved_at",
    )  # fmt: skip
    create(
        "core_message", key(), *texts("channel", "title", "body", "error"), *columns(sa.Integer(), "tries"),
        *moments("created_at"), *moments("sent_at", nullable=True), index="sent_at",
    )  # fmt: skip
    create("core_sent_form", key("key", AutoString), *moments("at"), *texts("url", "toast"), index="at")
    create(
        "core_upload", key("token", AutoString), *texts("user"), *columns(sa.JSON(), "rows"), *moments("at"), index="at"
    )
    for change in ("UPDATE", "DELETE"):
        refuse("core_audit", change)

    create("core_attempt", key("fingerprint", AutoString), sa.Column("wrong", sa.Integer(), nullable=False),
           *moments("at"), index="at")  # fmt: skip
    for name in ("issuer", "subject"):
        op.add_column("core_user", sa.Column(name, AutoString(), nullable=True))
    op.create_index("ix_core_user_issuer_subject", "core_user", ["issuer", "subject"], unique=True)
    with op.batch_alter_table("core_token") as batch:
        batch.add_column(sa.Column("last_used_at", UTCDateTime(), nullable=True))
        batch.add_column(sa.Column("scopes", AutoString(), nullable=False, server_default=""))
        batch.add_column(sa.Column("user_id", sa.Integer(), nullable=True))
        owner = "fk_core_token_user_id_core_user"
        batch.create_foreign_key(op.f(owner), "core_user", ["user_id"], ["id"], ondelete="CASCADE")
        batch.create_index("ix_core_token_user_id", ["user_id"])

    extend("core_job", *moments("paused_at", nullable=True), filled("paused_by"))
    extend("core_run", filled("params", sa.JSON(), "{}"), filled("steps", sa.JSON(), "[]"))
    extend("core_run_log", filled("step"), filled("detail"))
