"""Channels: who hears of findings; and the delivery, a job, so that a failure is tried again and is seen."""

from datetime import timedelta

from fastapi import Request
from sqlalchemy import select, update
from sqlmodel import col

from ... import notify
from ...errors import CoreError, Refused
from ...forms import Field, Form
from ...jobs import Run, job
from ...notify import Channel, Message
from ...pages import DB, Data, Go, Params, View, action, page, serving
from ...tables import Column, Table
from ...time import now

GIVEN_UP_AFTER = timedelta(days=3)
_UNKNOWN = "Apprise does not know such an address; it lists them at github.com/caronc/apprise."
CHANNELS = Table(
    Channel,
    Column(Channel.name),
    Column(Channel.only_critical),
    Column(Channel.is_active, label="Active"),
    link="/-/channels/{id}",
    empty="Mail, Slack, Teams, Matrix, a webhook: add whatever Apprise can write to.",
)


FORM = Form(
    Channel,
    Field(Channel.name),
    Field(Channel.url, label="Address", secret=True, placeholder="mailtos://user:password@example.com"),
    Field(Channel.only_critical),
    Field(Channel.is_active, label="Active"),
    check=lambda data: [("url", _UNKNOWN)] if "url" in data and not notify.fits(str(data["url"])) else [],
)


@page("/-/channels", role="admin")
def channels(db: DB, params: Params) -> View:
    """Where messages of alerts go."""
    return View("channels.html", channels=CHANNELS.load(db, params), form=FORM.show(db))


@page("/-/channels/{id}", role="admin")
def edit(id: int, db: DB) -> View:
    """Where messages go: change it, try it, remove it."""
    channel = _channel(db, id)
    return View("channel.html", title=channel.name, channel=channel, form=FORM.show(db, channel))


@action("/-/channels", role="admin")
def add(db: DB, data: Data) -> Go | View:
    """Add a channel."""
    return _save(db, data, None)


@action("/-/channels/{id}", role="admin")
def save(id: int, db: DB, data: Data) -> Go | View:
    """Change a channel."""
    return _save(db, data, _channel(db, id))


@action("/-/channels/{id}/test", role="admin")
def test(id: int, request: Request) -> Go:
    """Send a test message through a channel."""
    here = serving(request)
    with here.database.read() as db:  # read first, so that no write is open while the message goes out
        channel = _channel(db, id)
    try:
        notify.send(channel.url, f"[{here.settings.tool_name}] Test", "This channel works.")
    except CoreError as error:
        raise Refused(502, f"{channel.name}: {error}.") from error
    return Go(edit, id=id, toast="The message went out")


@action("/-/channels/{id}/delete", role="admin")
def delete(id: int, db: DB) -> Go:
    """Remove a channel, with the messages that wait for it."""
    db.delete(_channel(db, id))
    return Go(channels, toast="Removed")


@job(timeout=600, retries=12)
def deliver(db: DB, run: Run) -> None:
    """Send the messages that wait, channel by channel."""
    is_fresh = (col(Message.sent_at).is_(None), col(Message.created_at) > now() - GIVEN_UP_AFTER)
    unsent = select(Message, Channel).join(Channel).where(*is_fresh, col(Channel.is_active)).order_by(col(Message.id))
    for message, channel in db.execute(unsent).all():
        mine = update(Message).where(col(Message.id) == message.id)
        with run.step(channel.name) as step:
            try:
                notify.send(channel.url, message.title, message.body)
            except CoreError as error:
                step.write(mine.values(tries=message.tries + 1, error=str(error)))
                step.commit()
                raise
            step.write(mine.values(tries=message.tries + 1, sent_at=now(), error=""))


def _save(db: DB, data: Data, channel: Channel | None) -> Go | View:
    form = FORM.read(db, data, channel)
    if not form.is_valid:
        title = channel.name if channel else "Add a channel"
        return View("channel.html", status=422, title=title, channel=channel, form=form)
    FORM.save(db, form, channel)
    return Go(channels, toast="Saved; try it with a test message")


def _channel(db: DB, id: int) -> Channel:
    channel = db.get(Channel, id)
    if channel is None:
        raise Refused(404, f"There is no channel {id}; somebody may have removed it.")
    return channel
