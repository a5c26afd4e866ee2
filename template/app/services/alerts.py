"""What somebody must hear about: services that are down."""

from collections.abc import Iterator

from sqlmodel import col, or_, select

from core import DB, Finding, alert

from .models import Service

WRONG = or_(col(Service.problem) != "", col(Service.status) >= 400)


@alert(every="5m")
def down(db: DB) -> Iterator[Finding]:
    """A service does not answer as it should."""
    for service in db.exec(select(Service).where(WRONG)):
        text = service.problem or f"answers {service.status}"
        yield Finding(service.name, text, critical=service.status is None, href=f"/services/{service.id}")
