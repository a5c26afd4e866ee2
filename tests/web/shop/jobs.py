"""The shop's job, which only an admin may start."""

from core import job


@job(role="admin")
def stocktake() -> None:
    """Count everything."""
