"""Static files: cached for good by their hash, compressed, and nothing but the files that are meant."""

import gzip
import hashlib
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from core.app import App
from core.testing import html
from core.ui import CORE, Assets

FILES = sorted(path.name for path in (CORE / "static").iterdir())


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_it_is(name: str, served: TestClient) -> None:
    response = served.get(f"/-/static/{name}")
    assert response.status_code == 200
    assert response.content == (CORE / "static" / name).read_bytes()


def test_an_address_with_the_hash_is_kept_for_good(served: TestClient, app: App) -> None:
    url = app.assets.url("core.css")
    version = hashlib.sha256((CORE / "static" / "core.css").read_bytes()).hexdigest()[:12]
    assert url == f"/-/static/core.css?v={version}"
    assert served.get(url).headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789ab", "?v=../x"])
def test_any_other_address_is_asked_for_again(query: str, served: TestClient) -> None:
    assert served.get(f"/-/static/core.css{query}").headers["cache-control"] == "no-cache"


def test_what_has_not_changed_is_not_sent_again(served: TestClient) -> None:
    tag = served.get("/-/static/core.css").headers["etag"]
    again = served.get("/-/static/core.css", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert served.get("/-/static/core.css", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("name", "accepted", "is_compressed"),
    [("core.css", "gzip, br", True), ("core.js", "gzip", True), ("icons.svg", "gzip", True), ("core.css", "br", False)],
)
def test_texts_are_compressed_for_whoever_can(
    name: str, accepted: str, is_compressed: bool, served: TestClient
) -> None:
    response = served.get(f"/-/static/{name}", headers={"Accept-Encoding": accepted})
    assert ("content-encoding" in response.headers) is is_compressed
    assert response.headers["vary"] == "Accept-Encoding"
    assert (int(response.headers["content-length"]) < len(response.content) * 0.5) is is_compressed


@pytest.mark.parametrize(
    ("name", "kind"), [("core.css", "text/css"), ("core.js", "text/javascript"), ("favicon.svg", "image/svg+xml")]
)
def test_a_file_says_its_type(name: str, kind: str, served: TestClient) -> None:
    assert served.get(f"/-/static/{name}").headers["content-type"].startswith(kind)


@pytest.fixture
def folders(tmp_path: Path) -> Assets:
    """Two folders of assets beside a file that is none of them."""
    for folder in ("own/sub", "core"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "own" / "a.css").write_text("own")
    (tmp_path / "own" / "sub" / "b.css").write_text("inside")
    (tmp_path / "core" / "a.css").write_text("core")
    (tmp_path / "core" / "c.css").write_text("core")
    return Assets(tmp_path / "own", tmp_path / "core")


@pytest.mark.parametrize(("name", "body"), [("a.css", b"own"), ("c.css", b"core"), ("sub/b.css", b"inside")])
def test_the_projects_own_file_wins(name: str, body: bytes, folders: Assets) -> None:
    asset = folders.find(name)
    assert asset is not None
    assert (asset.body, gzip.decompress(asset.gzipped)) == (body, body)


@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "sub/../../secret.txt", "..", ".", "", "/", "sub", "sub/", "{root}/secret.txt",
     "//{root}/secret.txt", "a.css\0", "\0", "a.css/", "./a.css", "sub//b.css", "..\\secret.txt", "x" * 5000],
)  # fmt: skip
def test_nothing_else_is_found_by_any_name(name: str, folders: Assets, tmp_path: Path) -> None:
    assert folders.find(name.replace("{root}", str(tmp_path))) is None
    assert folders._known == {}


@pytest.mark.parametrize(
    "path",
    ["../app.py", "%2e%2e/app.py", "..%2fapp.py", "%2e%2e%2fapp.py", "x/../../app.py", "/etc/passwd", "%2fetc%2fpasswd",
     "core.css%00", "%00", "....//app.py", "..\\app.py", ".", "", "nowhere.css"],
)  # fmt: skip
def test_nothing_else_is_served_at_any_address(path: str, served: TestClient) -> None:
    response = served.get(f"/-/static/{path}")
    assert response.status_code in (303, 404)
    assert "root:" not in response.text
    assert '"""The spine' not in response.text


def test_a_file_that_is_not_there_is_named_when_a_template_asks_for_it(folders: Assets) -> None:
    with pytest.raises(LookupError, match=r"there is no static file 'nowhere.css' in app/static or core/static"):
        folders.url("nowhere.css")


def test_the_docs_page_loads_only_our_own_files(client: TestClient) -> None:
    page = html(client.get("/-/api"))
    loaded = [one.attribute("src") or one.attribute("href") for one in page.all("script, link[rel=stylesheet]")]
    assert {path.partition("?")[0] for path in loaded} >= {"/-/static/swagger-ui-bundle.js", "/-/static/swagger-ui.css"}
    assert all(path.startswith("/-/static/") for path in loaded)
    assert page.one("#api-docs").attribute("data-openapi") == "/-/openapi.json"
    assert (
        client.get("/docs").status_code == client.get("/redoc").status_code == client.get("/openapi.json").status_code
    )
    assert {client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")} == {404}
