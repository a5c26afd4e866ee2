"""The app as `dev` serves it: started again at each change of a file, or a page that says why it does not start."""

import sys
from html import escape
from typing import Any

from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from .cli import upgrade_all
from .errors import in_one_line
from .opening import load_app, opened
from .security import POLICY
from .settings import PROJECT


def reloaded() -> Any:
    """The app as `dev` serves it after each change: migrated, or a page that says why it does not start."""
    try:
        with opened() as runtime:
            upgrade_all(runtime)
        return load_app()
    except Exception as error:  # the boundary to the project's code: the next save may have mended it
        text = in_one_line(error, PROJECT)
        print(f"\n  error: {text}\n", file=sys.stderr)
        return broken(text)


def broken(text: str) -> Any:
    """An ASGI app whose every page is one error, and asks again every two seconds."""
    page = (
        '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>Not started</title>'
        f"<h1>The tool does not start</h1><p><code>{escape(text)}</code></p><p>Save the file; this page comes back.</p>"
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            return await send({"type": "lifespan.shutdown.complete"})
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return await HTMLResponse(page, 503, headers)(scope, receive, send)

    return answer
