"""Findings, messages; an audit only appended to; people from elsewhere, scopes, throttling; jobs; forms."""

import sqlalchemy as sa
from alembic import op
from sqlmodel import AutoString

from core.migrations.parts import columns, create, extend, flags, key, moments, numbers, texts

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create("core_finding", key(), *texts("alert", "key", "text", "href", "acknowledged_by"), *flags("critical"),
           *columns(sa.Date(), "on", "muted_until", nullable=True), *moments("opened_at", "told_at"),
           *moments("resolved_at", nullable=True), index="alert resolved_at")  # fmt: skip
    create("core_message", key(), *texts("channel", "title", "body", "error"), *numbers("tries"),
           *moments("created_at"), *moments("sent_at", nullable=True), index="sent_at")  # fmt: skip
    create("core_attempt", key("fingerprint", AutoString), *numbers("wrong"), *moments("at"), index="at")
    create("core_sent_form", key("key", AutoString), *moments("at"), *texts("url", "toast"), index="at")
    _only_append("core_audit")

    extend("core_user", *texts("issuer", "subject", nullable=True))
    op.create_index("ix_core_user_issuer_subject", "core_user", ["issuer", "subject"], unique=True)
    extend("core_job", *moments("paused_at", nullable=True), *texts("paused_by", server_default=""))
    for name, empty in (("params", "{}"), ("steps", "[]")):
        extend("core_run", *columns(sa.JSON(), name, server_default=empty))
    extend("core_run_log", *texts("step", "detail", server_default=""))
    extend("core_token", *moments("last_used_at", nullable=True), *texts("scopes", server_default=""))
    with op.batch_alter_table("core_token") as batch:
        batch.add_column(sa.Column("user_id", sa.Integer(), nullable=True))
        owner = op.f("fk_core_token_user_id_core_user")
        batch.create_foreign_key(owner, "core_user", ["user_id"], ["id"], ondelete="CASCADE")
        batch.create_index("ix_core_token_user_id", ["user_id"])


def _only_append(table: str) -> None:
    """Let the database refuse every UPDATE and every DELETE of a table."""
    for change in ("UPDATE", "DELETE"):
        name, said = f"{table}_no_{change.lower()}", f"{table} is only appended to"
        body = f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        if op.get_bind().dialect.name == "postgresql":
            made = f"RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{said}'; END $$"
            op.execute(f"CREATE FUNCTION {name}() {made}")
            body = f"FOR EACH ROW EXECUTE FUNCTION {name}()"
        op.execute(f"CREATE TRIGGER {name} BEFORE {change} ON {table} {body}")
