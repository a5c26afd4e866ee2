"""The RDAP reader on answers that real registries gave: each becomes what the index of the recordings says of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.rdap.__main__ import main
from app.rdap.bootstrap import read, shipped
from tests.example.replay import Answer, Replay, serving

REPOSITORY = Path(__file__).parents[2]
RECORDINGS = REPOSITORY.parent / "shared" / "recordings"
INDEX = RECORDINGS / "index.json"
ALL = json.loads(INDEX.read_text()) if INDEX.is_file() else []
RDAP = [entry for entry in ALL if entry["file"].startswith("rdap/") and "iana_dns" not in entry["file"]]
ANSWERS = [entry for entry in RDAP if "ldhName" in entry.get("expect", {})]
FAILURES = [entry for entry in RDAP if entry not in ANSWERS]

pytestmark = pytest.mark.skipif(not RDAP, reason=f"no recordings beside the repository: {RECORDINGS.name}")


@pytest.fixture
def replay() -> Iterator[Replay]:
    with serving(RECORDINGS) as server:
        yield server


def ask(replay: Replay, entry: dict[str, Any], name: str) -> int:
    """Run the command against a server that answers with one recording; its exit code."""
    body = (RECORDINGS / entry["file"]).read_bytes()
    replay.instead = lambda request: Answer(200, body, {"Content-Type": "application/rdap+json"})
    return main([name, "--base-url", f"{replay.url}/com/v1"])


def utc(text: str | None) -> str | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("entry", ANSWERS, ids=lambda entry: entry["file"])
def test_a_recorded_answer_becomes_what_the_index_says(
    replay: Replay, entry: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = entry["expect"]
    name = expected["ldhName"].lower().rstrip(".")
    assert ask(replay, entry, name) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == ""
    assert (found["name"], found["expires_at"]) == (name, utc(expected["expiration_raw"]))
    assert (found["status"], found["registrar"]) == (expected["status"], expected["registrar"])
    assert [found[key] is not None for key in ("registered_at", "changed_at")] == [
        action in expected["event_actions"] for action in ("registration", "last changed")
    ]
    assert replay.requests[0].path == f"/com/v1/domain/{name}"


@pytest.mark.parametrize("entry", FAILURES, ids=lambda entry: entry["file"])
def test_what_is_no_answer_fails_in_one_line(
    replay: Replay, entry: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(replay, entry, "example.com") == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert err.startswith("example.com: ")


def test_the_shipped_list_is_the_recorded_one() -> None:
    recorded = read((RECORDINGS / "rdap" / "uptimekuma_iana_dns_2026-02.json").read_bytes())
    assert shipped() == recorded
    assert len(recorded.servers) == 1197
