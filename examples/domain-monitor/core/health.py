"""Health: is this process alive and its clock ticking; ready: does the database answer and fit this version."""

from dataclasses import dataclass

from sqlalchemy import text

from . import migrations
from .db import Database
from .errors import CoreError
from .migrations import History
from .scheduler import Scheduler


@dataclass(frozen=True)
class Health:
    """The answer of a probe: `problems` is empty when all is well."""

    problems: list[str]

    @property
    def status(self) -> int:
        """The HTTP status for a probe."""
        return 503 if self.problems else 200

    def as_json(self) -> dict[str, object]:
        """The answer's body."""
        return {"status": "ok" if not self.problems else "failing", "problems": self.problems}


def health(scheduler: Scheduler) -> Health:
    """Whether a restart would help: it does when the clock has stopped."""
    return Health(
        [] if scheduler.is_ticking else [f"the clock has not ticked since {scheduler.ticked_at:%H:%M:%S} UTC"]
    )


def ready(database: Database, histories: list[History]) -> Health:
    """Whether requests can be answered: the database reads, and its tables are this version's."""
    try:
        with database.reader.connect() as connection:
            connection.execute(text("SELECT 1"))
        behind = {name: todo for name, todo in migrations.pending(database, histories).items() if todo}
    except CoreError as error:
        return Health([str(error)])
    except Exception as error:  # the boundary: a probe answers whatever the database does
        return Health([f"the database does not answer: {type(error).__name__}"])
    return Health([f"{name} migrations are pending: {', '.join(todo)}" for name, todo in behind.items()])
