"""The floor: the portfolio's first page by bare Starlette, sqlite3 and one Jinja2 template.

The same database, the same sign-in by cookie, the same fifty rows of ten columns and the same total as the
domain monitor's page, without any of what a tool needs beside them.
"""

import hashlib
import os
import sqlite3
from datetime import UTC, datetime

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

DATABASE = os.environ["FLOOR_DATABASE"]
COOKIE = os.environ["FLOOR_COOKIE"]
SESSION = """SELECT u.name FROM core_session s JOIN core_user u ON u.id = s.user_id
    WHERE s.fingerprint = ? AND s.expires_at > ? AND u.is_active"""
ROWS = """SELECT d.name, d.shown_name, d.expires_at, g.name AS grp, d.registrar, s.name AS source, d.auto_renew,
    d.locked, d.renewal_price, d.currency, d.status FROM (
        SELECT * FROM domain ORDER BY expires_at IS NULL, expires_at, id LIMIT 50
    ) d LEFT JOIN "group" g ON g.id = d.group_id LEFT JOIN source s ON s.id = d.source_id
    ORDER BY d.expires_at IS NULL, d.expires_at, d.id"""
HEADS = "Name Expires Group Registrar Source Auto-renew Lock Price Currency Status".split()
PAGE = Environment(autoescape=True).from_string(
    """<!doctype html><title>Domains</title><p>{{ user }}: {{ "{:,}".format(total) }} domains</p>
<table><thead><tr>{% for head in heads %}<th>{{ head }}</th>{% endfor %}</tr></thead><tbody>
{% for r in rows %}<tr><th><a href="/domains/{{ r.name }}">{{ r.shown_name }}</a></th>
<td>{{ r.expires_at or "unknown" }}</td>
<td>{{ r.grp or "unassigned" }}</td><td>{{ r.registrar }}</td><td>{{ r.source }}</td><td>{{ r.auto_renew }}</td>
<td>{{ r.locked }}</td><td>{{ r.renewal_price }}</td><td>{{ r.currency }}</td><td>{{ r.status }}</td></tr>
{% endfor %}</tbody></table>"""
)


def connection() -> sqlite3.Connection:
    """A connection that reads."""
    opened = sqlite3.connect(DATABASE, check_same_thread=False, isolation_level=None)
    opened.row_factory = sqlite3.Row
    opened.execute("PRAGMA query_only=ON")
    return opened


database = connection()


def domains(request: Request) -> Response:
    """The first page of the portfolio, for whoever is signed in."""
    fingerprint = hashlib.sha256(request.cookies.get(COOKIE, "").encode()).hexdigest()
    user = database.execute(SESSION, (fingerprint, datetime.now(UTC).isoformat(" "))).fetchone()
    if user is None:
        return Response("sign in first", 401)
    total = database.execute("SELECT count(*) FROM domain").fetchone()[0]
    rows = database.execute(ROWS).fetchall()
    return HTMLResponse(PAGE.render(user=user["name"], total=total, heads=HEADS, rows=rows))


app = Starlette(routes=[Route("/domains", domains), Route("/-/health", lambda _: Response("ok"))])
