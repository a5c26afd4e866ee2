"""What is read of a registry's answer, however it is written."""

from typing import Any

import pytest

from .conftest import entry
from .record import read

CARD = ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Names Ltd"]]]
ORG_CARD = ["vcard", [["fn", {}, "text", ""], ["org", {}, "text", ["Names", "Ltd"]]]]


def record(**more: Any) -> dict[str, Any]:
    return read(entry("acme.test", **more), "acme.test").as_json()


def registrar(**more: Any) -> dict[str, Any]:
    return {"roles": ["registrar"], "vcardArray": CARD, **more}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("2027-05-01T10:00:00Z", "2027-05-01T10:00:00Z", id="as the RFC says"),
        pytest.param("2027-05-01T10:00:00.0Z", "2027-05-01T10:00:00Z", id="a tenth"),
        pytest.param("2027-05-01T10:00:00.123456Z", "2027-05-01T10:00:00Z", id="microseconds"),
        pytest.param("2027-05-01T10:00:00+0000", "2027-05-01T10:00:00Z", id="no colon"),
        pytest.param("2027-05-01T10:00:00+03:00", "2027-05-01T07:00:00Z", id="another zone"),
        pytest.param("2027-05-01T10:00:00", "2027-05-01T10:00:00Z", id="no zone"),
        pytest.param("2027-05-01 10:00:00 UTC", "2027-05-01T10:00:00Z", id="a zone in letters"),
        pytest.param("2027-05-01", "2027-05-01T00:00:00Z", id="a day"),
        pytest.param("soon", None, id="no date"),
        pytest.param(None, None, id="no expiration"),
    ],
)
def test_a_date_is_read_as_registries_write_it(written: str | None, expected: str | None) -> None:
    assert record(expires=written)["expires_at"] == expected


def test_a_date_without_a_zone_is_marked() -> None:
    assert read(entry("acme.test", expires="2027-05-01T10:00:00"), "acme.test").zone_assumed
    assert not read(entry("acme.test"), "acme.test").zone_assumed


@pytest.mark.parametrize(
    "name",
    ["ACME.TEST", "acme.test.", "Acme.Test"],
)
def test_a_name_is_the_same_however_it_is_written(name: str) -> None:
    assert read(entry(name), "acme.test").name == "acme.test"


def test_an_international_name_may_come_in_letters() -> None:
    assert read(entry("bücher.test"), "xn--bcher-kva.test").name == "xn--bcher-kva.test"


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        pytest.param(registrar(), ("Names Ltd", None), id="a name"),
        pytest.param(registrar(roles=["Sponsor", "Registrar"]), ("Names Ltd", None), id="capitals"),
        pytest.param(registrar(vcardArray=ORG_CARD), ("Names Ltd", None), id="an organisation"),
        pytest.param(registrar(vcardArray=["vcard", "x"]), (None, None), id="a broken card"),
        pytest.param(registrar(roles=None), (None, None), id="no roles"),
        pytest.param(
            registrar(publicIds=[{"type": "IANA Registrar ID", "identifier": "292"}]),
            ("Names Ltd", 292),
            id="number",
        ),
        pytest.param(registrar(publicIds=[{"type": "Norid", "identifier": "reg42"}]), ("Names Ltd", None), id="other"),
    ],
)
def test_the_registrar_is_found(entity: dict[str, Any], expected: tuple[str | None, int | None]) -> None:
    found = record(entities=[entity])
    assert (found["registrar"], found["registrar_iana_id"]) == expected


def test_the_dates_of_contacts_are_not_the_domains() -> None:
    contact = {"roles": ["registrant"], "events": [{"eventAction": "expiration", "eventDate": "2020-01-01T00:00:00Z"}]}
    assert record(expires=None, entities=[contact])["expires_at"] is None


def test_what_is_not_said_is_unknown() -> None:
    assert record(expires=None) == {
        "name": "acme.test",
        **dict.fromkeys(("expires_at", "registered_at", "changed_at", "registrar", "registrar_iana_id")),
        **dict.fromkeys(("status", "nameservers", "dnssec")),
    }


def test_lists_are_taken_as_they_come() -> None:
    found = record(
        status=["active", None],
        nameservers=[{"ldhName": "NS1.ACME.TEST."}, "ns2.acme.test", None],
        secureDNS={"delegationSigned": "true"},
    )
    assert (found["status"], found["dnssec"]) == (["active"], True)
    assert found["nameservers"] == ["ns1.acme.test", "ns2.acme.test"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param([], "no JSON object", id="a list"),
        pytest.param({"errorCode": 501, "title": "No"}, "error 501: No", id="an error"),
        pytest.param({"objectClassName": "entity"}, "about no domain", id="something else"),
        pytest.param(entry("other.test"), "about other.test", id="another name"),
    ],
)
def test_an_answer_about_something_else_is_refused(answer: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(answer, "acme.test")
