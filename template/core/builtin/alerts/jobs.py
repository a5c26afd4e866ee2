"""The delivery of messages: a job, so that a failure is tried again, with ever longer pauses, and is seen."""

from sqlalchemy import update
from sqlmodel import col

from ... import notify
from ...errors import CoreError
from ...jobs import Run, job
from ...notify import Message
from ...pages import DB
from ...time import now


@job(timeout=600, retries=12)
def deliver(db: DB, run: Run) -> None:
    """Send the messages that wait, channel by channel."""
    for message, channel in db.execute(notify.unsent(now())).all():
        mine = update(Message).where(col(Message.id) == message.id)
        with run.step(channel.name) as step:
            try:
                notify.send(channel.url, message.title, message.body)
            except CoreError as error:
                step.write(mine.values(tries=message.tries + 1, error=str(error)))
                step.commit()
                raise
            step.write(mine.values(tries=message.tries + 1, sent_at=now(), error=""))
