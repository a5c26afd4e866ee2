"""What we know of a service."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class Service(SQLModel, table=True):
    """One address that should answer."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=80)
    url: str = Field(
        max_length=500, regex=r"^https?://[^/\s]+", description="Where it answers: https://example.com/health"
    )
    owner: str = Field(default="", max_length=80, description="Who is asked when it does not answer.")
    status: int | None = None
    took_ms: int | None = None
    checked_at: datetime | None = None
    problem: str = ""
