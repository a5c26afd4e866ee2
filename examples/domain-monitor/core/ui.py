"""Templates and static files: one Jinja environment, block rendering, assets by content hash."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from .security import STATIC_URL, is_htmx
from .settings import PROJECT

CORE = Path(__file__).parent
_FOREVER = "public, max-age=31536000, immutable"
_TEXTUAL = (".css", ".js", ".svg", ".html", ".json", ".txt")


class Asset(NamedTuple):
    """One static file, held in memory, and compressed where that helps; `version` is a hash of its content."""

    body: bytes
    gzipped: bytes
    type: str
    version: str


class Assets:
    """The static files of core, and of the project's `app/static/`; the project's win."""

    def __init__(self, *folders: Path) -> None:
        found = ((f, path) for f in reversed(folders) for path in f.rglob("*") if path.is_file())
        self._paths = {path.relative_to(f).as_posix(): path for f, path in found}  # no other name opens anything
        self._known: dict[str, Asset] = {}

    def url(self, name: str) -> str:
        """The address of a file, different for each content, so browsers may keep it."""
        if (asset := self.find(name)) is None:
            raise LookupError(f"there is no static file {name!r} in app/static or core/static")
        return f"{STATIC_URL}{name}?v={asset.version}"

    def find(self, name: str) -> Asset | None:
        """The file of a name, read once."""
        if name not in self._known and name in self._paths:
            body = self._paths[name].read_bytes()
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            small = gzip.compress(body, 9) if name.endswith(_TEXTUAL) else b""
            self._known[name] = Asset(body, small, kind, hashlib.sha256(body).hexdigest()[:12])
        return self._known.get(name)

    def answer(self, request: Request, name: str) -> Response:
        """Serve one file: compressed where it helps, cached for good when asked for by its hash."""
        if (asset := self.find(name)) is None:
            return Response("There is no such file.", 404)
        headers = {"ETag": f'"{asset.version}"', "Vary": "Accept-Encoding"}
        headers["Cache-Control"] = _FOREVER if request.query_params.get("v") == asset.version else "no-cache"
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if asset.gzipped and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.gzipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.type)
        return Response(asset.body, headers=headers, media_type=asset.type)


class Templates:
    """Every template: `core/…` (from `app/core/` first), `app/<feature>/…` beside the code, others' below `roots`."""

    def __init__(self, assets: Assets, *, roots: Sequence[Path]) -> None:
        core = PrefixLoader({"core": FileSystemLoader([PROJECT / "app" / "core", CORE / "templates"])})
        loader = ChoiceLoader([core, FileSystemLoader([PROJECT, *roots])])
        strict: dict[str, Any] = {"autoescape": True, "undefined": StrictUndefined}
        self.environment = Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, **strict)
        self.environment.globals |= {"static": assets.url, "zip": zip}
        self.environment.globals["ui"] = self.environment.get_template("core/ui.html").make_module()

    def render(self, name: str, context: Mapping[str, Any]) -> str:
        """A whole page."""
        return self.environment.get_template(name).render(context)

    def render_block(self, name: str, block: str, context: Mapping[str, Any]) -> str | None:
        """One block of a page; None when the template has none of that name."""
        template = self.environment.get_template(name)
        render = template.blocks.get(block)
        return "".join(render(template.new_context(dict(context)))) if render else None


def target_block(request: Request) -> str:
    """The id of the element that htmx will replace, "" when it wants a whole page."""
    is_part = is_htmx(request) and request.headers.get("hx-request-type") != "full"
    return unquote(request.headers.get("hx-target", "")).partition("#")[2] if is_part else ""  # tag#id, URI-encoded
