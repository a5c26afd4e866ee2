"""Every registrar's documented answer, and what becomes of it; what they have in common is tried with each."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.sources.failures import SourceError
from app.sources.kinds import KINDS
from tests.sources.stand_in import CREDENTIALS, SECRETS, Asked, Given, StandIn, given_json

Answer = Callable[[Asked], Given]
NO_WORDS = {"registered_at": None, "status": None, "nameservers": None, "renewal_price": None, "currency": None}
UNKNOWN = {"auto_renew": None, "locked": None, "privacy": None, **NO_WORDS}


def answers(**bodies: Any) -> Answer:
    """Answer by the end of the path, or by the operation that an address serves; else 404."""

    def answer(asked: Asked) -> Given:
        operation = (asked.json or {}).get("method") or asked.headers.get("X-Amz-Target", "").rpartition(".")[2]
        key = operation or asked.fields.get("command") or asked.path.rpartition("/")[2]
        if key not in bodies:
            return given_json({"message": f"no {key}"}, 404)
        return bodies[key] if isinstance(bodies[key], Given) else given_json(bodies[key])

    return answer


def with_header(body: Any, **headers: str) -> Given:
    return Given(json.dumps(body).encode(), 200, {name.replace("_", "-"): value for name, value in headers.items()})


CLOUDFLARE = {
    "domain_name": "a.dev",
    "created_at": "2023-05-01T10:00:00Z",
    "expires_at": "2027-05-01T10:00:00Z",
    "auto_renew": True,
    "locked": True,
    "privacy_mode": "redaction",
    "status": "active",
}
GANDI = {
    "fqdn": "a.fr",
    "tld": "fr",
    "status": ["clientTransferProhibited"],
    "autorenew": True,
    "dates": {"registry_created_at": "2019-04-01T08:59:58Z", "registry_ends_at": "2027-04-01T08:59:58Z"},
    "nameserver": {"current": "livedns"},
}
GANDI_CHECK = {
    "currency": "EUR",
    "grid": "A",
    "products": [
        {"process": "create", "prices": [{"duration_unit": "y", "min_duration": 1, "price_before_taxes": 1.0}]},
        {
            "process": "renew",
            "prices": [
                {"duration_unit": "y", "min_duration": 3, "max_duration": 10, "price_before_taxes": 10.66},
                {"duration_unit": "y", "min_duration": 1, "max_duration": 2, "price_before_taxes": 12.54},
            ],
        },
    ],
}
PORKBUN = {
    "domain": "a.com",
    "status": "ACTIVE",
    "createDate": "2022-01-05 11:22:33",
    "expireDate": "2027-01-05 11:22:33",
    "securityLock": "1",
    "whoisPrivacy": 1,
    "autoRenew": "0",
    "notLocal": 0,
}
OVH = {
    "domain": "a.ovh",
    "expirationDate": "2027-02-03T00:00:00+01:00",
    "renewalState": "automatic_renew",
    "state": "ok",
    "transferLockStatus": "locked",
    "nameServers": [{"id": 1, "nameServer": "dns10.ovh.net"}],
}
DYNADOT = {
    "Name": "a.com",
    "Expiration": "1801526400000",
    "Registration": 1643760000000,
    "Locked": "yes",
    "Privacy": "full",
    "RenewOption": "auto-renew",
    "Status": "active",
    "NameServerSettings": {
        "Type": "x",
        "NameServers": [{"ServerId": "1", "ServerName": "ns1.a.net"}, {"ServerId": ""}],
    },
}
SPACESHIP = {
    "name": "a.com",
    "registrationDate": "2023-01-02T03:04:05.000Z",
    "expirationDate": "2027-01-02T03:04:05.000Z",
    "autoRenew": False,
    "lifecycleStatus": "registered",
    "eppStatuses": ["clientTransferProhibited"],
    "privacyProtection": {"level": "high"},
    "nameservers": {"provider": "basic", "hosts": ["ns1.a.net"]},
}
INWX = {
    "roId": 1,
    "domain": "bücher.de",
    "domain-ace": "xn--bcher-kva.de",
    "exDate": "2027-01-02 03:04:05",
    "crDate": {"scalar": "20200102T03:04:05", "xmlrpc_type": "datetime", "timestamp": 1577934245},
    "renewalMode": "AUTOEXPIRE",
    "transferLock": "1",
    "status": "OK",
    "ns": ["ns.inwx.de"],
}
SILO = {"domain": "a.com", "created": "2020-01-02", "expires": "2027-01-02"}
SILO_DETAIL = {
    "code": 300,
    "expires": "2027-01-02",
    "auto_renew": "Yes",
    "locked": "No",
    "private": "Yes",
    "status": "Active",
}
SIMPLE = {
    "name": "a.us",
    "state": "registered",
    "auto_renew": False,
    "private_whois": True,
    "expires_on": "2027-01-02",
    "expires_at": "2027-01-02T03:04:05Z",
}
NAMES = {"name": "a.com", "expires_at": "2027-01-02T03:04:05Z"}

CASES: dict[str, tuple[Answer, dict[str, Any]]] = {
    "cloudflare": (
        answers(registrations={"success": True, "result": [CLOUDFLARE], "result_info": {"count": 1, "cursor": ""}}),
        {
            **UNKNOWN,
            "name": "a.dev",
            "expires_at": "2027-05-01T10:00:00Z",
            "registered_at": "2023-05-01T10:00:00Z",
            "auto_renew": True,
            "locked": True,
            "privacy": True,
            "status": "active",
        },
    ),
    "gandi": (
        answers(domains=with_header([GANDI], Total_Count="1"), check=GANDI_CHECK),
        {
            **UNKNOWN,
            "renewal_price": 12.54,
            "currency": "EUR",
            "name": "a.fr",
            "expires_at": "2027-04-01T08:59:58Z",
            "registered_at": "2019-04-01T08:59:58Z",
            "auto_renew": True,
            "locked": True,
            "status": "clientTransferProhibited",
        },
    ),
    "porkbun": (
        answers(
            listAll={"status": "SUCCESS", "domains": [PORKBUN]},
            get={"status": "SUCCESS", "pricing": {"com": {"renewal": "1,011.08"}, "example": None}},
        ),
        {
            **UNKNOWN,
            "name": "a.com",
            "expires_at": "2027-01-05T11:22:33Z",
            "registered_at": "2022-01-05T11:22:33Z",
            "auto_renew": False,
            "locked": True,
            "privacy": True,
            "status": "ACTIVE",
            "renewal_price": 1011.08,
            "currency": "USD",
        },
    ),
    "route53": (
        answers(
            ListDomains={
                "Domains": [
                    {"DomainName": "a.co.uk", "AutoRenew": True, "TransferLock": False, "Expiry": 1804809600.5}
                ],
                "NextPageMarker": None,
            },
            ListPrices={
                "Prices": [
                    {"Name": "uk", "RenewalPrice": {"Price": 9, "Currency": "USD"}},
                    {"Name": "co.uk", "RenewalPrice": {"Price": 10.5, "Currency": "USD"}},
                ]
            },
        ),
        {
            **UNKNOWN,
            "name": "a.co.uk",
            "expires_at": "2027-03-12T00:00:00Z",
            "auto_renew": True,
            "locked": False,
            "renewal_price": 10.5,
            "currency": "USD",
        },
    ),
    "ovh": (
        answers(time=1767323045, domain=["a.ovh"], **{"a.ovh": OVH}),
        {
            **UNKNOWN,
            "name": "a.ovh",
            "expires_at": "2027-02-02T23:00:00Z",
            "auto_renew": True,
            "locked": True,
            "status": "ok",
            "nameservers": ["dns10.ovh.net"],
        },
    ),
    "dynadot": (
        answers(
            list_domain={
                "ListDomainInfoResponse": {"ResponseCode": "0", "Status": "success", "MainDomains": [DYNADOT]}
            },
            tld_price={
                "TldPriceResponse": {"ResponseCode": 0, "TldPrice": [{"Tld": ".com", "Price": {"Renew": "10.99"}}]}
            },
        ),
        {
            **UNKNOWN,
            "name": "a.com",
            "expires_at": "2027-02-02T00:00:00Z",
            "registered_at": "2022-02-02T00:00:00Z",
            "auto_renew": True,
            "locked": True,
            "privacy": True,
            "status": "active",
            "nameservers": ["ns1.a.net"],
            "renewal_price": 10.99,
            "currency": "USD",
        },
    ),
    "spaceship": (
        answers(domains={"items": [SPACESHIP], "total": 1}),
        {
            **UNKNOWN,
            "name": "a.com",
            "expires_at": "2027-01-02T03:04:05Z",
            "registered_at": "2023-01-02T03:04:05Z",
            "auto_renew": False,
            "locked": True,
            "privacy": True,
            "status": "registered",
            "nameservers": ["ns1.a.net"],
        },
    ),
    "inwx": (
        answers(
            **{
                "account.login": {"code": 1000, "resData": {"tfa": "0"}},
                "domain.list": {"code": 1000, "resData": {"count": "1", "domain": [INWX]}},
                "domain.getPrices": {
                    "code": 1000,
                    "resData": {"price": [{"tld": "de", "currency": "EUR", "createPrice": 4.1, "renewalPrice": 4.65}]},
                },
            }
        ),
        {
            **UNKNOWN,
            "name": "xn--bcher-kva.de",
            "renewal_price": 4.65,
            "currency": "EUR",
            "expires_at": "2027-01-02T03:04:05Z",
            "registered_at": "2020-01-02T03:04:05Z",
            "auto_renew": False,
            "locked": True,
            "status": "OK",
            "nameservers": ["ns.inwx.de"],
        },
    ),
    "ionos": (
        answers(
            domainitems={"count": 1, "domains": [{"id": "f00", "name": "a.de", "tld": "de"}]},
            f00={
                "id": "f00",
                "name": "a.de",
                "expirationDate": "2027-01-02T03:04:05Z",
                "autoRenew": True,
                "privacy": False,
            },
        ),
        {**UNKNOWN, "name": "a.de", "expires_at": "2027-01-02T03:04:05Z", "auto_renew": True, "privacy": False},
    ),
    "namesilo": (
        answers(
            listDomains={"reply": {"code": 300, "domains": [SILO], "pager": {"total": "1"}}},
            getDomainInfo={"reply": SILO_DETAIL},
            getPrices={"reply": {"code": "300", "com": {"renew": 17.29}}},
        ),
        {
            **UNKNOWN,
            "name": "a.com",
            "expires_at": "2027-01-02",
            "registered_at": "2020-01-02",
            "auto_renew": True,
            "locked": False,
            "privacy": True,
            "status": "Active",
            "renewal_price": 17.29,
            "currency": "USD",
        },
    ),
    "dnsimple": (
        answers(
            domains={"data": [SIMPLE], "pagination": {"total_entries": 1, "total_pages": 1}},
            prices={"data": {"domain": "a.us", "premium": False, "registration_price": 9.0, "renewal_price": 15.0}},
        ),
        {
            **UNKNOWN,
            "renewal_price": 15.0,
            "currency": "USD",
            "name": "a.us",
            "expires_at": "2027-01-02T03:04:05Z",
            "auto_renew": False,
            "privacy": True,
            "status": "registered",
        },
    ),
    "json": (answers(domains=[NAMES]), {**UNKNOWN, **NAMES}),
}
EMPTY: dict[str, Answer] = {
    "cloudflare": answers(registrations={"success": True, "result": None, "result_info": None}),
    "gandi": answers(domains=[]),
    "porkbun": answers(listAll={"status": "SUCCESS", "domains": []}),
    "route53": answers(ListDomains={"Domains": []}),
    "ovh": answers(time=1, domain=[]),
    "dynadot": answers(list_domain={"ListDomainInfoResponse": {"ResponseCode": 0, "MainDomains": []}}),
    "spaceship": answers(domains={"items": None, "total": 0}),
    "inwx": answers(**{"account.login": {"code": 1000}, "domain.list": {"code": 1000, "resData": {"count": 0}}}),
    "ionos": answers(domainitems={"count": 0, "domains": []}),
    "namesilo": answers(listDomains={"reply": {"code": "300", "domains": None}}),
    "dnsimple": answers(domains={"data": [], "pagination": {"total_entries": 0}}),
    "json": answers(domains=[]),
}
ANY_TROUBLE = (
    pytest.param(Given(b'{"message":"no"}', 401), "wrong key", id="401"),
    pytest.param(Given(b'{"message":"no"}', 403), "not entitled", id="403"),
    pytest.param(Given(b'{"message":"This IP is not on the whitelist"}', 403), "address not allowed", id="address"),
    pytest.param(Given(b'{"message":"no"}', 429), "rate limited", id="429"),
    pytest.param(Given(b"<html><body>down</body></html>", 502), "their fault", id="502"),
    pytest.param(Given(b"<html><body>hello</body></html>"), "unexpected answer", id="web page"),
    pytest.param(Given(b"{"), "unexpected answer", id="broken"),
    pytest.param(Given(b'"text"'), "unexpected answer", id="a text"),
    pytest.param(Given(b"{}", 404), "unexpected answer", id="404 without words"),
)


@pytest.mark.parametrize("kind", CASES)
def test_a_domain_is_read_with_all_it_says(registrar: StandIn, kind: str) -> None:
    registrar.answer, expected = CASES[kind]
    listing = registrar.read(kind)
    assert [row.as_json() for row in listing.registrations] == [expected]
    assert (listing.complete, listing.notes) == (True, ())


@pytest.mark.parametrize("kind", EMPTY)
def test_an_account_may_be_empty(registrar: StandIn, kind: str) -> None:
    registrar.answer = EMPTY[kind]
    listing = registrar.read(kind)
    assert (listing.registrations, listing.complete, listing.notes) == ((), True, ())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("given", "reason"), ANY_TROUBLE)
def test_failures_are_told_apart(registrar: StandIn, kind: str, given: Given, reason: str) -> None:
    registrar.answer = lambda asked: given
    with pytest.raises(SourceError) as caught:
        registrar.read(kind)
    assert caught.value.reason == ("address not allowed" if (kind, reason) == ("namecom", "not entitled") else reason)
    assert str(caught.value).startswith(f"{KINDS[kind].label}: {caught.value.reason} (")
    assert not [secret for secret in SECRETS if secret in str(caught.value)]


@pytest.mark.parametrize("kind", CASES)
def test_a_row_without_a_name_is_told_and_leaves_the_list_incomplete(registrar: StandIn, kind: str) -> None:
    good, _ = CASES[kind]
    registrar.answer = lambda asked: Given(
        good(asked).body.replace(b"a.", b"no name/").replace(b"xn--bcher-kva", b"no name/"), good(asked).status
    )
    listing = registrar.read(kind)
    assert (listing.registrations, listing.complete) == ((), False)
    assert "is no domain name" in listing.notes[0]


@pytest.mark.parametrize("kind", CASES)
def test_a_trial_asks_for_one_page(registrar: StandIn, kind: str) -> None:
    registrar.answer, _ = CASES[kind]
    KINDS[kind].try_out(KINDS[kind].account(CREDENTIALS[kind], base_url=registrar.url))
    assert len(registrar.asked) == {"inwx": 2, "ovh": 2}.get(kind, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_gets_into_the_log(registrar: StandIn, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    registrar.answer = lambda asked: given_json({"message": "busy"}, 503)
    with caplog.at_level("DEBUG"), pytest.raises(SourceError):
        registrar.read(kind)
    assert "is busy or out of reach" in caplog.text
    assert not [secret for secret in SECRETS if secret in caplog.text]
