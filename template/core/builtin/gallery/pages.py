"""The page with every component of `core/ui.html`."""

from ...pages import View, page
from ...tables import UrlState


@page("/-/ui", nav="Components", icon="layout-dashboard", role="admin")
def index() -> View:
    """Every component in every state, to copy from."""
    return View("index.html", state=UrlState("/-/ui", "price.from=5&group=Retail&match=any"))
