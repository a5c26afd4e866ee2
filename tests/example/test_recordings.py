"""The connectors on answers that real registrars gave, replayed from a loopback server."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.sources.failures import SourceError
from app.sources.kinds import KINDS
from app.sources.listing import Listing
from tests.example.replay import Answer, Replay, Request, serving

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "domain-monitor"
RECORDINGS = REPOSITORY.parent / "shared" / "recordings"
CREDENTIALS = {
    "godaddy": {"key": "gd-key-5f1c", "secret": "gd-secret-77ab"},
    "cloudflare": {"account_id": "acc0", "token": "cf-token-12fe"},
    "namecheap": {"api_user": "acme", "api_key": "nc-key-90de", "username": "acme", "client_ip": "192.0.2.7"},
    "gandi": {"token": "gandi-token-55aa"},
    "namecom": {"username": "acme", "token": "ncom-token-31c8"},
    "inwx": {"username": "acme", "password": "inwx-password-6b6b"},
    "namesilo": {"key": "silo-key-abab"},
    "dnsimple": {"account_id": "731", "token": "simple-token-4545"},
}
LISTS = {
    "godaddy": "registrar/godaddy_v1_list_2019a.json",
    "namecheap": "registrar/namecheap_sdk_domains_getList.xml",
    "namecom": "registrar/namecom_v4_list_2020.json",
}
ERRORS = {
    "godaddy": ("godaddy", "registrar/godaddy_v1_404_2021.json"),
    "namecheap": ("namecheap.domains.getList", "registrar/namecheap_getInfo_error_2020.xml"),
}
NOT_SECRET = ("acme", "192.0.2.7", "acc0", "731")
SECRETS = {value for given in CREDENTIALS.values() for value in given.values() if value not in NOT_SECRET}

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason=f"no recordings beside the repository: {RECORDINGS.name}"
)


@pytest.fixture
def replay() -> Iterator[Replay]:
    with serving(RECORDINGS) as server:
        yield server


def expected(file: str) -> Any:
    """What index.json expects of a recording; only CI insists that every file is there."""
    entry = next((each for each in json.loads((RECORDINGS / "index.json").read_text()) if each["file"] == file), None)
    if entry is None or not (RECORDINGS / file).is_file():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{file} is missing from the recordings")
    return entry["expect"]


def recorded() -> list[Any]:
    """Every recorded answer of a registrar that is about domains, whatever was asked for."""
    file = RECORDINGS / "index.json"
    index = json.loads(file.read_text()) if file.is_file() else []
    answers = [entry for entry in index if entry["file"].startswith("registrar/") and "expect" in entry]
    return [pytest.param(entry, id=Path(entry["file"]).stem) for entry in answers if entry["provider"] in KINDS]


def answering_with(entry: dict[str, Any]) -> Callable[[Request], Answer]:
    """Answer everything with one recording, except for what was asked of an API that it does not come from."""
    body, headers = (RECORDINGS / entry["file"]).read_bytes(), entry.get("headers") or {}
    given = Answer(entry.get("status", 200), body, {"Content-Type": headers.get("Content-Type", "text/plain")})
    return lambda request: Answer(404, b"{}") if request.path.startswith("/core/") else given


def listing(replay: Replay, kind: str) -> Listing:
    account = KINDS[kind].account(CREDENTIALS[kind], base_url=replay.url, sleep=lambda seconds: None)
    return KINDS[kind].read(account)


def command(replay: Replay, kind: str) -> subprocess.CompletedProcess[str]:
    given = [f"--set={name}={value}" for name, value in CREDENTIALS[kind].items()]
    return subprocess.run(
        [sys.executable, "-m", "app.sources", kind, "--base-url", replay.url, *given],
        cwd=EXAMPLE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (EXAMPLE, REPOSITORY / "template")))},
        capture_output=True,
        text=True,
        timeout=60,
    )


def as_expected(row: dict[str, Any]) -> dict[str, Any]:
    """A domain as the index describes one, which leaves out what a recording does not show."""
    return row | {"expires": row["expires_at"]}


def told(found: list[dict[str, Any]], want: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was found, cut to what the index expects of each domain."""
    assert len(found) == len(want)
    return [{name: as_expected(row)[name] for name in asked} for row, asked in zip(found, want, strict=True)]


@pytest.mark.parametrize("kind", LISTS)
def test_a_recorded_list_is_read_as_the_index_expects(replay: Replay, kind: str) -> None:
    want = expected(LISTS[kind])
    found = listing(replay, kind)
    assert told([row.as_json() for row in found.registrations], want) == want
    assert (found.complete, found.notes) == (True, ())


@pytest.mark.parametrize("kind", LISTS)
def test_the_command_prints_the_recorded_list(replay: Replay, kind: str) -> None:
    want = expected(LISTS[kind])
    done = command(replay, kind)
    assert (done.returncode, done.stderr) == (0, "")
    assert told([json.loads(line) for line in done.stdout.splitlines()], want) == want


@pytest.mark.parametrize("entry", recorded())
def test_every_recording_becomes_what_the_index_says(replay: Replay, entry: dict[str, Any]) -> None:
    want = entry["expect"]
    if not (RECORDINGS / entry["file"]).is_file():
        pytest.skip("not among the recordings here")
    replay.instead = answering_with(entry)
    try:
        found = listing(replay, entry["provider"])
    except SourceError as error:
        assert str(want["error"]) in str(error)
        assert not [secret for secret in SECRETS if secret in str(error)]
    else:
        assert found.complete == (want is not None), found.notes  # null: no list of registrations
        assert told([row.as_json() for row in found.registrations], want or []) == (want or [])


@pytest.mark.parametrize("entry", recorded())
def test_the_command_makes_of_every_recording_what_the_index_says(replay: Replay, entry: dict[str, Any]) -> None:
    want = entry["expect"]
    replay.instead = answering_with(entry)
    done = command(replay, entry["provider"])
    is_list = isinstance(want, list)
    assert (done.returncode, len(done.stderr.splitlines())) == ((0, 0) if is_list else (1, 1)), done.stderr
    assert told([json.loads(line) for line in done.stdout.splitlines()], want if is_list else []) == (
        want if is_list else []
    )
    assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]


@pytest.mark.parametrize("kind", ERRORS)
def test_a_recorded_error_is_told_with_its_code(replay: Replay, kind: str) -> None:
    call, file = ERRORS[kind]
    code = expected(file)["error"]
    replay.files[call] = file
    with pytest.raises(SourceError, match=code) as caught:
        listing(replay, kind)
    assert caught.value.reason == "refused"


@pytest.mark.parametrize("kind", ERRORS)
def test_the_command_tells_a_recorded_error_in_one_line(replay: Replay, kind: str) -> None:
    call, file = ERRORS[kind]
    code = expected(file)["error"]
    replay.files[call] = file
    done = command(replay, kind)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert code in done.stderr
    assert not [secret for secret in SECRETS if secret in done.stderr]


def test_namecheaps_recorded_price_is_the_one_for_renewal(replay: Replay) -> None:
    prices = {row.name: (row.renewal_price, row.currency) for row in listing(replay, "namecheap").registrations}
    assert {name: (str(amount), currency) for name, (amount, currency) in prices.items()} == {
        "domain.com": ("11.00", "USD"),
        "domain2.net": ("None", None),
    }


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_many_pages_is_read_to_its_end(replay: Replay, kind: str) -> None:
    expected(LISTS[kind])
    replay.copies = 1250
    found = listing(replay, kind)
    assert (len(found.registrations), found.complete) == (2500, True)


@pytest.mark.parametrize("kind", LISTS)
def test_ten_thousand_names_take_seconds(replay: Replay, kind: str) -> None:
    expected(LISTS[kind])
    replay.copies = 5000
    began = time.monotonic()
    assert len(listing(replay, kind).registrations) == 10_000
    assert time.monotonic() - began < 20


def test_name_coms_newer_api_proves_the_end_by_its_total(replay: Replay) -> None:
    expected(LISTS["namecom"])
    replay.has_core = True
    assert listing(replay, "namecom").complete
    assert [request.path for request in replay.requests] == ["/core/v1/domains"]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        pytest.param("godaddy", Answer(429, b'{"code":"TOO_MANY_REQUESTS","retryAfterSec":1}'), id="godaddy 429"),
        pytest.param("namecheap", Answer(405, b"Method Not Allowed"), id="namecheap 405"),
        pytest.param("namecom", Answer(503, b"<html>busy</html>", {"Retry-After": "1"}), id="namecom 503"),
    ],
)
def test_a_registrar_that_asks_to_wait_is_asked_again(replay: Replay, kind: str, answer: Answer) -> None:
    expected(LISTS[kind])
    replay.trouble = [answer]
    assert listing(replay, kind).complete


def test_no_secret_is_in_any_address(replay: Replay) -> None:
    expected(LISTS["namecheap"])
    listing(replay, "namecheap")
    assert {(request.method, request.path, str(request.query)) for request in replay.requests} == {
        ("POST", "/xml.response", "{}")
    }
