"""Findings, messages; an audit only appended to; people from elsewhere, scopes, throttling; jobs; forms."""

import sqlalchemy as sa
from alembic import op
from sqlmodel import AutoString

from core.migrations.alembic import INT, columns, create, flags, key, moments, numbers, texts

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create("core_finding", key("id", INT), *texts("alert", "key", "text", "href", "acknowledged_by"),
           *columns(sa.Date(), "on", "muted_until", nullable=True), *moments("resolved_at", nullable=True),
           *flags("critical"), *moments("opened_at", "told_at"), index="alert resolved_at")  # fmt: skip
    create("core_message", key("id", INT), *texts("channel", "title", "body", "error"), *numbers("tries"),
           *moments("created_at"), *moments("sent_at", nullable=True), index="sent_at")  # fmt: skip
    create("core_attempt", key("fingerprint", AutoString), *numbers("wrong"), *moments("at"), index="at")
    create("core_sent_form", key("key", AutoString), *moments("at"), *texts("url", "toast"), index="at")
    new = {
        "core_user": texts("issuer", "subject", nullable=True),
        "core_job": [*moments("paused_at", nullable=True), *texts("paused_by", server_default="")],
        "core_run": [*columns(sa.JSON(), "params", server_default="{}"),
                     *columns(sa.JSON(), "steps", server_default="[]")],
        "core_run_log": texts("step", "detail", server_default=""),
        "core_token": [*moments("last_used_at", nullable=True), *texts("scopes", server_default="")],
    }  # fmt: skip
    for table, added in new.items():
        for column in added:
            op.add_column(table, column)
    op.create_index("ix_core_user_issuer_subject", "core_user", ["issuer", "subject"], unique=True)
    with op.batch_alter_table("core_token") as batch:
        batch.add_column(sa.Column("user_id", sa.Integer(), nullable=True))
        owner = op.f("fk_core_token_user_id_core_user")
        batch.create_foreign_key(owner, "core_user", ["user_id"], ["id"], ondelete="CASCADE")
        batch.create_index("ix_core_token_user_id", ["user_id"])
    for change in ("UPDATE", "DELETE"):  # the database itself refuses to rewrite the audit
        name, said = f"core_audit_no_{change.lower()}", "core_audit is only appended to"
        body = f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        if op.get_bind().dialect.name == "postgresql":
            made = f"RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{said}'; END $$"
            op.execute(f"CREATE FUNCTION {name}() {made}")
            body = f"FOR EACH ROW EXECUTE FUNCTION {name}()"
        op.execute(f"CREATE TRIGGER {name} BEFORE {change} ON core_audit {body}")
