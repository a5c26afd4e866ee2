"""The page with the API's documentation."""

from ...pages import View, page


@page("/-/api", nav="API", icon="book-open")
def index() -> View:
    """Every endpoint for programs; send a token with it: Authorization: Bearer …"""
    return View("core/api_docs.html", openapi_url="/-/openapi.json")
