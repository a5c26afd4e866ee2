"""Findings, channels and messages; the audit is only ever appended to."""

import sqlalchemy as sa
from sqlmodel import AutoString

from core.migrations.parts import belongs, columns, create, key, moments, refuse, texts, unique

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create(
        "core_finding", key(), *texts("alert", "key", "text", "href", "acknowledged_by"),
        *columns(sa.Boolean(), "critical"), sa.Column("on", sa.Date()), sa.Column("muted_until", sa.Date()),
        *moments("opened_at", "told_at"), *moments("resolved_at", nullable=True), index="alert resolved_at",
    )  # fmt: skip
    create(
        "core_channel", key(), *columns(AutoString(length=80), "name"), *columns(sa.Text(), "url"),
        *columns(sa.Boolean(), "only_critical", "is_active"), unique("core_channel", "name"),
    )  # fmt: skip
    create(
        "core_message", key(), belongs("channel_id", "core_channel.id"), *texts("title", "body", "error"),
        *columns(sa.Integer(), "tries"), *moments("created_at"), *moments("sent_at", nullable=True),
        index="channel_id sent_at",
    )  # fmt: skip
    for change in ("UPDATE", "DELETE"):
        refuse("core_audit", change)
