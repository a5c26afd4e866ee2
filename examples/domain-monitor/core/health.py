"""Health: is this process alive and its clock ticking; ready: does the database answer and fit this version."""

from sqlalchemy import text

from . import migrations
from .db import Database
from .errors import CoreError
from .migrations import History
from .scheduler import Scheduler


def health(scheduler: Scheduler) -> list[str]:
    """What a restart would help against: a clock that has stopped. Empty when all is well."""
    return [] if scheduler.is_ticking else [f"the clock has not ticked since {scheduler.ticked_at:%H:%M:%S} UTC"]


def ready(database: Database, histories: list[History]) -> list[str]:
    """Why requests cannot be answered: the database does not read, or its tables are not this version's."""
    try:
        with database.reader.connect() as connection:
            connection.execute(text("SELECT 1"))
        behind = {name: todo for name, todo in migrations.pending(database, histories).items() if todo}
    except CoreError as error:
        return [str(error)]
    except Exception as error:  # the boundary: a probe answers whatever the database does
        return [f"the database does not answer: {type(error).__name__}"]
    return [f"{name} migrations are pending: {', '.join(todo)}" for name, todo in behind.items()]
