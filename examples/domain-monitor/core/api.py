"""The API: a table's rows for programs, and an OpenAPI document that leaves nothing out."""

import inspect
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, FiniteFloat, create_model

from .pages import DB, Params
from .security import cookie_name
from .settings import Settings
from .tables import Table
from .tables.export import one_page

_Unknown = Literal["none", "*"]  # without a value, with any
_FILTERS: dict[str, dict[str, Any]] = {  # what its parameters in the URL end in, and their type
    "text": {"": list[str], ".has": str}, "choice": {"": list[str], ".has": str},
    "flag": {"": list[Literal["yes", "no"] | _Unknown]},
    "date": {"": list[date | _Unknown], ".from": date, ".to": date},
    "number": {"": list[FiniteFloat | _Unknown], ".from": FiniteFloat, ".to": FiniteFloat},
}  # fmt: skip
TITLES = {401: "Sign in first", 403: "Not allowed", 404: "Not found", 405: "Not allowed", 409: "Not now",
          429: "Too many tries", 503: "Busy"}  # fmt: skip


class Problem(BaseModel):
    """What an error answers (RFC 9457); `errors` says which fields of a request are wrong."""

    title: str
    status: int
    detail: str
    request_id: str
    errors: list[dict[str, str]] = []


def page_of(table: Table) -> type[BaseModel]:
    """The model of one page of a table's rows, as `rows_of` finds it; encrypted columns are not in it."""
    keys = [key.key for key in table.source.primary]
    fields: dict[str, Any] = {key: (table.source.model.model_fields[key].annotation, None) for key in keys}
    fields |= {c.name: (c.type | None, None) for c in table.source.columns if not c.is_secret}
    row: Any = create_model(f"{table.source.model.__name__}Row", **fields)
    about: dict[str, Any] = dict.fromkeys(("total", "matching", "page", "pages"), int)
    return create_model(f"{table.source.model.__name__}Page", **about, next=(str | None, None), rows=list[row])


def rows_of(table: Table) -> Any:
    """A dependency: the rows that a request asks for, by the same query parameters as on the table's page."""
    names, kind = "|".join(c.name for c in table.source.columns if c.sort), inspect.Parameter.KEYWORD_ONLY

    def ask(name: str, type_: Any, **limits: Any) -> inspect.Parameter:
        annotation = Annotated[type_, Query(alias=name, **limits)]
        return inspect.Parameter(f"asked_{name.replace('.', '_')}", kind, default=None, annotation=annotation)

    def find(**given: Any) -> dict[str, Any]:
        view = table.load(given["db"], given["params"])
        return one_page(view, [dict(row.row) for row in view.rows])

    asked = [ask("q", str, max_length=200), ask("page", int, ge=1, le=10**8), ask("size", int, ge=1, le=250)]
    asked.append(ask("sort", str, pattern=f"^-?({names})(,-?({names}))*$"))
    asked.append(ask("match", Literal["any"], description="Rows that one of the filters fits, not all."))
    for column in [column for column in table.source.columns if column.filter]:
        asked += [ask(column.name + end, type_) for end, type_ in _FILTERS[column.kind].items()]
    own = [inspect.Parameter("db", kind, annotation=DB), inspect.Parameter("params", kind, annotation=Params)]
    find.__signature__ = inspect.Signature([*own, *asked])  # type: ignore[attr-defined]
    return Depends(find)


def document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of every plain router: where, who may, and each error's form."""
    found = get_openapi(title=settings.tool_name, version="1", routes=app.routes, servers=[{"url": settings.url}])
    found.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    found["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token; it works on every page, too."},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie_name(settings)},
    }
    form = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    said: dict[Any, str] = {**TITLES, 422: "Not understood: `errors` has each field", "default": "It failed"}
    errors = {str(status): {"description": text, "content": form} for status, text in said.items()}
    for operation in (operation for path in found["paths"].values() for operation in path.values()):
        operation["responses"] = errors | {s: a for s, a in operation["responses"].items() if s != "422"}
        operation["security"] = [{"token": []}, {"session": []}]
    return found
