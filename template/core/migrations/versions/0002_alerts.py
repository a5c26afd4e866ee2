"""Findings, channels and messages."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "core_finding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("alert", sqlmodel.AutoString(), nullable=False),
        sa.Column("key", sqlmodel.AutoString(), nullable=False),
        sa.Column("text", sqlmodel.AutoString(), nullable=False),
        sa.Column("critical", sa.Boolean(), nullable=False),
        sa.Column("on", sa.Date(), nullable=True),
        sa.Column("href", sqlmodel.AutoString(), nullable=False),
        sa.Column("opened_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("told_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("resolved_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("acknowledged_by", sqlmodel.AutoString(), nullable=False),
        sa.Column("muted_until", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_finding")),
    )
    op.create_index(op.f("ix_core_finding_alert"), "core_finding", ["alert"])
    op.create_index(op.f("ix_core_finding_resolved_at"), "core_finding", ["resolved_at"])
    op.create_table(
        "core_channel",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sqlmodel.AutoString(length=80), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("only_critical", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_channel")),
        sa.UniqueConstraint("name", name=op.f("uq_core_channel_name")),
    )
    op.create_table(
        "core_message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("title", sqlmodel.AutoString(), nullable=False),
        sa.Column("body", sqlmodel.AutoString(), nullable=False),
        sa.Column("created_at", sqlmodel.UTCDateTime(), nullable=False),
        sa.Column("sent_at", sqlmodel.UTCDateTime(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sqlmodel.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["core_channel.id"],
            name=op.f("fk_core_message_channel_id_core_channel"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_message")),
    )
    op.create_index(op.f("ix_core_message_channel_id"), "core_message", ["channel_id"])
    op.create_index(op.f("ix_core_message_sent_at"), "core_message", ["sent_at"])
