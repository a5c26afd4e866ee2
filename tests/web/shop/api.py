"""For programs: plain routers, one in another, and a socket."""

from fastapi import APIRouter, WebSocket
from sqlmodel import select
from starlette.responses import JSONResponse, Response

from core import DB, CurrentUser, Refused

from .models import Item

router = APIRouter(prefix="/shop/api")
inner = APIRouter(prefix="/inner")


@router.post("/window")
def dress() -> dict[str, str]:
    """Closed, though a public page has the same address."""
    return {"window": "dressed"}


@router.get("/items")
def items(db: DB, user: CurrentUser) -> dict[str, object]:
    """The names of all things."""
    return {"user": user.name, "items": sorted(item.name for item in db.exec(select(Item)))}


@router.post("/items/{name}")
def create(name: str, db: DB) -> dict[str, str]:
    """Create a thing; it is flushed when it is committed."""
    db.add(Item(name=name))
    return {"name": name}


@router.post("/items/{name}/fail")
def fail(name: str, db: DB) -> None:
    """Create a thing, then fail."""
    db.add(Item(name=name))
    db.flush()
    raise Refused(409, "There is one already.")


@router.post("/items/{name}/conflict")
def conflict(name: str, db: DB) -> Response:
    """Create a thing, then answer that it did not work."""
    db.add(Item(name=name))
    db.flush()
    return JSONResponse({"detail": "no"}, 409)


@inner.post("/items/{name}")
def create_inside(name: str, db: DB) -> dict[str, str]:
    """Create a thing through a router inside a router."""
    db.add(Item(name=name))
    return {"name": name}


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Greets."""
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


@router.websocket("/inner/live")
async def also_live(socket: WebSocket) -> None:
    """Never reached by a stranger."""
    await socket.accept()


router.include_router(inner)
