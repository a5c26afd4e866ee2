"""Signatures, held against those that the vendors' own libraries make (botocore, ovh) of the same dummy keys."""

from datetime import UTC, datetime

import pytest

from app.sources.registrars import ovh, route53
from tests.sources.stand_in import Given, StandIn, given_json

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URL = "https://route53domains.us-east-1.amazonaws.com/"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    ("session_token", "signature"),
    [
        pytest.param("", "8016beac56a8a2124beeabd167f2e88ef0afebdfb61275e18b57a48fd5b4337e", id="lasting key"),
        pytest.param("TOKENEXAMPLE", "89fe795b12154e768741d72d26a25fa9749afb3878d18fbc24c63d2f8f50985b", id="session"),
    ],
)
def test_amazons_signature_is_botocores(session_token: str, signature: str) -> None:
    signer = route53.Signer("AKIDEXAMPLE", SECRET, session_token)
    headers = signer.headers("POST", URL, b'{"MaxItems":100}', AT)
    token = "x-amz-security-token;" if session_token else ""
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/route53domains/aws4_request, "
        f"SignedHeaders=content-type;host;x-amz-date;{token}x-amz-target, Signature={signature}"
    )


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        ("/1.0/domain", "$1$02ef5e74f1c0e670382ebe7f1218b0394718bfb5"),
        ("/1.0/domain/example.com", "$1$9bdd1709f718d6a6a690812c9b7a172cd8808486"),
    ],
)
def test_ovhs_signature_is_that_of_its_own_library(path: str, signature: str) -> None:
    headers = ovh.Signer("AKEY", "ASECRET", "CKEY").headers("GET", f"https://eu.api.ovh.com{path}", b"", 1767323045)
    assert headers == {
        "X-Ovh-Application": "AKEY",
        "X-Ovh-Consumer": "CKEY",
        "X-Ovh-Timestamp": "1767323045",
        "X-Ovh-Signature": signature,
    }


def test_ovh_is_asked_by_its_own_clock(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json(2_000_000_000 if asked.path.endswith("/time") else [])
    registrar.read("ovh")
    time_asked, list_asked = registrar.asked
    assert "X-Ovh-Signature" not in time_asked.headers
    assert abs(int(list_asked.headers["X-Ovh-Timestamp"]) - 2_000_000_000) < 60


def test_what_is_sent_to_amazon_is_what_was_signed(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json({"Domains": []})
    registrar.read("route53")
    sent = registrar.asked[0]
    at = datetime.strptime(sent.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    signer = route53.Signer("AKIDEXAMPLE", "aws-secret-4d4d")
    assert sent.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert (
        sent.headers["Authorization"]
        == signer.headers("POST", f"{registrar.url}/", b'{"MaxItems":100}', at)["Authorization"]
    )


def test_each_attempt_has_a_signature_of_its_own(registrar: StandIn) -> None:
    answers = iter([Given(b"", 503), Given(b"", 503), given_json({"Domains": []})])
    registrar.answer = lambda asked: next(answers)
    assert registrar.read("route53").complete
    assert all(asked.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ") for asked in registrar.asked)
