"""Channels: who hears of findings; add, try, pause, remove."""

from typing import Any

from fastapi import Request
from sqlmodel import col, select

from ... import notify
from ...errors import CoreError, Refused
from ...forms import Field, Form
from ...notify import Channel
from ...pages import DB, Data, Go, View, action, page, serving


def _check(data: dict[str, Any]) -> list[tuple[str, str]]:
    is_wrong = data.get("url") and not notify.fits(str(data["url"]))
    return (
        [("url", "Apprise does not know such an address; it lists them at github.com/caronc/apprise.")]
        if is_wrong
        else []
    )


FORM = Form(
    Channel,
    Field(Channel.name),
    Field(Channel.url, label="Address", secret=True, placeholder="mailtos://user:password@example.com"),
    Field(Channel.only_critical),
    Field(Channel.is_active, label="Active"),
    check=_check,
)


@page("/-/channels", role="admin")
def channels(db: DB) -> View:
    """Where messages of alerts go."""
    return View(
        "channels.html", channels=db.exec(select(Channel).order_by(col(Channel.name))).all(), form=FORM.show(db)
    )


@page("/-/channels/{id}", role="admin")
def edit(id: int, db: DB) -> View:
    """Where messages go: change it, try it, remove it."""
    channel = _channel(db, id)
    return View("channel.html", title=channel.name, channel=channel, form=FORM.show(db, channel))


@action("/-/channels", role="admin")
def add(db: DB, data: Data) -> Go | View:
    """Add a channel."""
    form = FORM.read(db, data)
    if not form.is_valid:
        rows = db.exec(select(Channel).order_by(col(Channel.name))).all()
        return View("channels.html", status=422, title="Channels", channels=rows, form=form)
    FORM.save(db, form)
    return Go(channels, toast="Added; try it with a test message")


@action("/-/channels/{id}", role="admin")
def save(id: int, db: DB, data: Data) -> Go | View:
    """Change a channel."""
    channel = _channel(db, id)
    form = FORM.read(db, data, channel)
    if not form.is_valid:
        return View("channel.html", status=422, title=channel.name, channel=channel, form=form)
    FORM.save(db, form, channel)
    return Go(channels, toast="Saved")


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


def _channel(db: DB, id: int) -> Channel:
    channel = db.get(Channel, id)
    if channel is None:
        raise Refused(404, f"There is no channel {id}; somebody may have removed it.")
    return channel
