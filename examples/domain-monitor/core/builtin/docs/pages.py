"""What the tool says of itself: its API, its settings."""

from ... import settings
from ...pages import View, page
from ...settings import Settings


@page("/-/api", nav="API", icon="book-open")
def index() -> View:
    """Every endpoint for programs; send a token with it: Authorization: Bearer …"""
    return View("core/api_docs.html", openapi_url="/-/openapi.json")


@page("/-/settings", nav="Settings", icon="settings", role="admin")
def list_settings(here: Settings) -> View:
    """What is set, and where that comes from; change it in the environment or .env and start again."""
    return View("settings.html", settings=settings.listing(here))
