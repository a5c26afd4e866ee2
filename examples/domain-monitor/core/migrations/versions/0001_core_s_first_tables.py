"""core's first tables."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("actor", sqlmodel.AutoString(), nullable=False),
        sa.Column("actor_kind", sqlmodel.AutoString(), nullable=False),
        sa.Column("did", sqlmodel.AutoString(), nullable=False),
        sa.Column("op", sqlmodel.AutoString(), nullable=False),
        sa.Column("table", sqlmodel.AutoString(), nullable=False),
        sa.Column("key", sqlmodel.AutoString(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("request_id", sqlmodel.AutoString(), nullable=False),
        sa.Column("address", sqlmodel.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_audit")),
    )
    op.create_index(op.f("ix_core_audit_actor"), "core_audit", ["actor"])
    op.create_index(op.f("ix_core_audit_at"), "core_audit", ["at"])
    op.create_index(op.f("ix_core_audit_table"), "core_audit", ["table"])

    op.create_table(
        "core_job",
        sa.Column("name", sqlmodel.AutoString(), nullable=False),
        sa.Column("since", sqlmodel.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_core_job")),
    )
    op.create_table(
        "core_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job", sqlmodel.AutoString(), nullable=False),
        sa.Column("due_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("state", sqlmodel.AutoString(), nullable=False),
        sa.Column("started_by", sqlmodel.AutoString(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("queued_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("not_before", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("started_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("ended_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("beat_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("cancel_asked_by", sqlmodel.AutoString(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("doing", sqlmodel.AutoString(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sqlmodel.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_run")),
        sa.UniqueConstraint("job", "due_at", name="uq_core_run_job_due_at"),
    )
    op.create_index(op.f("ix_core_run_job"), "core_run", ["job"])
    op.create_index(op.f("ix_core_run_state"), "core_run", ["state"])

    op.create_table(
        "core_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sqlmodel.AutoString(), nullable=False),
        sa.Column("role", sqlmodel.AutoString(), nullable=False),
        sa.Column("fingerprint", sqlmodel.AutoString(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("expires_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_token")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_core_token_fingerprint")),
        info={"audited": True},
    )
    op.create_table(
        "core_user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sqlmodel.AutoString(length=100), nullable=False),
        sa.Column("role", sqlmodel.AutoString(), nullable=False),
        sa.Column("password_hash", sqlmodel.AutoString(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("signed_in_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_user")),
        sa.UniqueConstraint("name", name=op.f("uq_core_user_name")),
        info={"audited": True},
    )
    op.create_table(
        "core_run_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("level", sqlmodel.AutoString(), nullable=False),
        sa.Column("text", sqlmodel.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["core_run.id"], name=op.f("fk_core_run_log_run_id_core_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_run_log")),
    )
    op.create_index(op.f("ix_core_run_log_run_id"), "core_run_log", ["run_id"])

    op.create_table(
        "core_session",
        sa.Column("fingerprint", sqlmodel.AutoString(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("seen_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("expires_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("address", sqlmodel.AutoString(), nullable=False),
        sa.Column("agent", sqlmodel.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_core_session_user_id_core_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_core_session")),
    )
    op.create_index(op.f("ix_core_session_user_id"), "core_session", ["user_id"])

    op.create_table(
        "core_sign_in_link",
        sa.Column("fingerprint", sqlmodel.AutoString(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_core_sign_in_link_user_id_core_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_core_sign_in_link")),
    )
    op.create_index(op.f("ix_core_sign_in_link_user_id"), "core_sign_in_link", ["user_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_core_sign_in_link_user_id"), "core_sign_in_link")

    op.drop_table("core_sign_in_link")
    op.drop_index(op.f("ix_core_session_user_id"), "core_session")

    op.drop_table("core_session")
    op.drop_index(op.f("ix_core_run_log_run_id"), "core_run_log")

    op.drop_table("core_run_log")
    op.drop_table("core_user")
    op.drop_table("core_token")
    op.drop_index(op.f("ix_core_run_state"), "core_run")
    op.drop_index(op.f("ix_core_run_job"), "core_run")

    op.drop_table("core_run")
    op.drop_table("core_job")
    op.drop_index(op.f("ix_core_audit_table"), "core_audit")
    op.drop_index(op.f("ix_core_audit_at"), "core_audit")
    op.drop_index(op.f("ix_core_audit_actor"), "core_audit")

    op.drop_table("core_audit")
