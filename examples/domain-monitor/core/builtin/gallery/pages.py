"""The page with every component of `core/ui.html`."""

from ...pages import View, page


@page("/-/ui", nav="Components", icon="layout-dashboard", role="admin")
def index() -> View:
    """Every component in every state, to copy from."""
    return View("index.html")
