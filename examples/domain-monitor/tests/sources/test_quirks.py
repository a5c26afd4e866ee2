"""What single registrars do differently: other shapes of the same answer, refusals that look like success."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.sources.details import in_order
from app.sources.failures import SourceError
from app.sources.kinds import KINDS
from app.sources.listing import Registration
from tests.sources.stand_in import CREDENTIALS, Asked, Given, StandIn, given_json
from tests.sources.test_registrars import CLOUDFLARE, GANDI, OVH, answers

TODAY = datetime(2026, 11, 23, tzinfo=UTC)


def only(registrar: StandIn, kind: str, **more: str) -> Registration:
    """The one domain that a complete list has."""
    listing = registrar.read(kind, **more)
    assert (listing.complete, listing.notes) == (True, ())
    [found] = listing.registrations
    return found


def dynadot_xml(*domains: str) -> bytes:
    rows = "".join(f"<DomainInfo><Domain>{domain}</Domain></DomainInfo>" for domain in domains)
    head = "<ListDomainInfoHeader><ResponseCode>0</ResponseCode><Status>success</Status></ListDomainInfoHeader>"
    content = f"<ListDomainInfoContent><DomainInfoList>{rows}</DomainInfoList></ListDomainInfoContent>"
    return f"<ListDomainInfoResponse>{head}{content}</ListDomainInfoResponse>".encode()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_dynadots_list_may_be_xml(registrar: StandIn, number: int) -> None:
    domains = [f"<Name>a{n}.com</Name><Expiration>1801526400000</Expiration>" for n in range(number)]
    registrar.answer = lambda asked: Given(dynadot_xml(*domains))
    listing = registrar.read("dynadot")
    assert [(row.name, str(row.expires_at)) for row in listing.registrations] == [
        (f"a{n}.com", "2027-02-02 00:00:00+00:00") for n in range(number)
    ]
    assert listing.complete


@pytest.mark.parametrize(
    ("option", "is_automatic"),
    [("auto-renew", True), ("auto", True), ("do not renew", False), ("donot", False), ("no renew option", False)],
)
def test_only_dynadots_auto_means_auto_renew(registrar: StandIn, option: str, is_automatic: bool) -> None:
    rows = [{"Name": "a.com", "RenewOption": option, "Privacy": "none"}]
    registrar.answer = answers(
        list_domain={"ListDomainInfoResponse": {"ResponseCode": 0, "MainDomains": rows}}, tld_price={}
    )
    found = only(registrar, "dynadot")
    assert (found.auto_renew, found.privacy) == (is_automatic, False)


@pytest.mark.parametrize(
    ("domains", "names"),
    [
        pytest.param([{"domain": "a.com", "expires": "2027-01-02"}], ["a.com"], id="objects"),
        pytest.param(["a.com", "b.com"], ["a.com", "b.com"], id="names"),
        pytest.param({"domain": ["a.com", "b.com"]}, ["a.com", "b.com"], id="one key deeper"),
        pytest.param({"domain": "a.com"}, ["a.com"], id="a single one"),
        pytest.param({"domain": {"domain": "a.com", "expires": "2027-01-02"}}, ["a.com"], id="a single object"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_namesilos_list_has_many_shapes(registrar: StandIn, domains: Any, names: list[str]) -> None:
    registrar.answer = answers(
        listDomains={"reply": {"code": "300", "domains": domains}},
        getDomainInfo={"reply": {"code": "300", "expires": "2027-01-02", "auto_renew": "No"}},
        getPrices={"reply": {"code": "300"}},
    )
    listing = registrar.read("namesilo")
    assert [(row.name, str(row.expires_at), row.auto_renew) for row in listing.registrations] == [
        (name, "2027-01-02", False) for name in names
    ]
    assert listing.complete


def test_namesilos_xml_is_read_like_its_json(registrar: StandIn) -> None:
    listed = b"""<namesilo><request/><reply><code>300</code><domains>
        <domain created="2020-01-02" expires="2027-01-02">a.com</domain><domain expires="2027-02-03">b.com</domain>
        </domains><pager><total>2</total></pager></reply></namesilo>"""
    registrar.answer = lambda asked: Given(listed)
    listing = registrar.read("namesilo")
    assert [(row.name, str(row.expires_at)) for row in listing.registrations] == [
        ("a.com", "2027-01-02"),
        ("b.com", "2027-02-03"),
    ]


def test_details_that_only_add_do_not_spoil_a_list(registrar: StandIn) -> None:
    registrar.answer = answers(
        listDomains={"reply": {"code": 300, "domains": [{"domain": "a.com", "expires": "2027-01-02"}]}}
    )
    listing = registrar.read("namesilo")
    assert listing.complete
    assert [note.partition(":")[0] for note in listing.notes] == ["no renewal prices", "no details of a.com"]


def test_a_missing_detail_that_holds_the_expiry_leaves_the_list_incomplete(registrar: StandIn) -> None:
    registrar.answer = answers(time=1, domain=["a.ovh", "b.ovh"], **{"a.ovh": OVH})
    listing = registrar.read("ovh")
    assert [row.name for row in listing.registrations] == ["a.ovh", "b.ovh"]
    assert (listing.complete, len(listing.notes)) == (False, 1)
    assert listing.notes[0].startswith("no details of b.ovh: OVHcloud: refused (404")


@pytest.mark.parametrize(
    ("renew", "is_automatic"),
    [
        ({"automatic": True, "deleteAtExpiration": False}, True),
        ({"automatic": True, "deleteAtExpiration": True}, False),
        ({"automatic": False, "deleteAtExpiration": False}, False),
        ({}, None),
    ],
)
def test_ovhs_older_answer_is_completed_by_its_service(
    registrar: StandIn, renew: Any, is_automatic: bool | None
) -> None:
    service = {"expiration": "2027-02-03", "creation": "2020-02-03", "status": "ok", "renew": renew}
    registrar.answer = answers(time=1, domain=["a.ovh"], serviceInfos=service, **{"a.ovh": {"domain": "a.ovh"}})
    found = only(registrar, "ovh")
    assert (str(found.expires_at), str(found.registered_at), found.auto_renew) == (
        "2027-02-03",
        "2020-02-03",
        is_automatic,
    )


def test_gandis_detail_has_an_object_for_auto_renew(registrar: StandIn) -> None:
    row = {**GANDI, "autorenew": {"enabled": False, "duration": 1}, "status": []}
    registrar.answer = answers(domains=[row])
    found = only(registrar, "gandi")
    assert (found.auto_renew, found.locked, found.status) == (False, False, None)


def test_a_zone_is_no_registration(registrar: StandIn) -> None:
    registrar.answer = answers(
        registrations={"success": True, "result": [{"name": "a.dev", "type": "full"}, CLOUDFLARE]}
    )
    listing = registrar.read("cloudflare")
    assert ([row.name for row in listing.registrations], listing.complete) == (["a.dev"], False)


@pytest.mark.parametrize("kind", ["ThrottlingException", "com.amazonaws#ThrottlingException"])
def test_amazons_throttling_is_waited_out_though_it_is_a_400(registrar: StandIn, kind: str) -> None:
    replies = iter([given_json({"__type": kind, "message": "Rate exceeded"}, 400), given_json({"Domains": []})])
    registrar.answer = lambda asked: next(replies)
    assert registrar.read("route53").complete
    assert registrar.waits == [0.5]


REFUSALS: list[tuple[str, int, Any, str]] = [
    ("cloudflare", 403, {"errors": [{"code": 10000, "message": "Authentication error"}]}, "wrong key"),
    (
        "cloudflare",
        403,
        {"errors": [{"code": 9109, "message": "Cannot use it from location: x"}]},
        "address not allowed",
    ),
    ("cloudflare", 200, {"success": False, "errors": [{"code": 10000, "message": "no"}]}, "wrong key"),
    (
        "gandi",
        403,
        {"code": 403, "message": "Access was denied to this resource.", "cause": "Forbidden"},
        "not entitled",
    ),
    ("porkbun", 400, {"status": "ERROR", "message": "Invalid API key. (002)"}, "wrong key"),
    ("porkbun", 200, {"status": "ERROR", "message": "Your IP is not on the list."}, "address not allowed"),
    ("route53", 400, {"__type": "UnrecognizedClientException", "message": "no"}, "wrong key"),
    ("route53", 400, {"__type": "AccessDeniedException", "Message": "no"}, "not entitled"),
    ("route53", 400, {"__type": "ThrottlingException"}, "rate limited"),
    ("ovh", 403, {"class": "Client::Forbidden", "errorCode": "INVALID_CREDENTIAL", "message": "no"}, "wrong key"),
    ("ovh", 403, {"message": "This call has not been granted"}, "not entitled"),
    ("dynadot", 200, {"Response": {"ResponseCode": "-1", "Error": "invalid key"}}, "wrong key"),
    ("dynadot", 200, {"ListDomainInfoResponse": {"ResponseCode": -1, "Error": "too many requests"}}, "rate limited"),
    ("spaceship", 403, {"detail": "The API key lacks the permission domains:read"}, "not entitled"),
    ("inwx", 200, {"code": 2200, "msg": "Authentication error"}, "wrong key"),
    ("inwx", 200, {"code": 1000, "resData": {"tfa": "GOOGLE-AUTH"}}, "not entitled"),
    ("inwx", 200, {"code": 2502, "msg": "Session limit"}, "rate limited"),
    ("ionos", 401, [{"code": "UNAUTHORIZED", "message": "Missing or invalid API key."}], "wrong key"),
    ("namesilo", 200, {"reply": {"code": 110, "detail": "Invalid API Key"}}, "wrong key"),
    ("namesilo", 200, {"reply": {"code": "113", "detail": "no"}}, "address not allowed"),
    ("namesilo", 200, {"reply": {"code": 112, "detail": "no"}}, "not entitled"),
    ("namesilo", 200, {"reply": {"code": "400", "detail": "no"}}, "rate limited"),
    ("dnsimple", 401, {"message": "Authentication failed"}, "wrong key"),
    ("dnsimple", 429, {"message": "quota exceeded"}, "rate limited"),
]


@pytest.mark.parametrize(("kind", "status", "body", "reason"), REFUSALS)
def test_a_refusal_in_the_registrars_own_words_is_understood(
    registrar: StandIn, kind: str, status: int, body: Any, reason: str
) -> None:
    registrar.answer = lambda asked: given_json(body, status)
    with pytest.raises(SourceError) as caught:
        registrar.read(kind)
    assert caught.value.reason == reason


def test_dynadots_failed_login_in_xml_is_understood(registrar: StandIn) -> None:
    head = "<ResponseHeader><ResponseCode>-1</ResponseCode><Error>invalid key</Error></ResponseHeader>"
    registrar.answer = lambda asked: Given(f"<Response>{head}</Response>".encode())
    with pytest.raises(SourceError, match="wrong key"):
        registrar.read("dynadot")


@pytest.mark.parametrize("kind", ["dynadot", "namesilo", "inwx"])
def test_xml_with_an_entity_is_refused(registrar: StandIn, kind: str) -> None:
    registrar.answer = lambda asked: Given(b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')
    with pytest.raises(SourceError, match="unsafe document"):
        registrar.read(kind)


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ("X-Key: abc", {"X-Key": "abc"}),
        ('{"X-Key": "abc", "X-User": "me"}', {"X-Key": "abc", "X-User": "me"}),
    ],
)
def test_a_json_list_gets_the_headers_it_needs(registrar: StandIn, headers: str, sent: dict[str, str]) -> None:
    registrar.answer = lambda asked: given_json([])
    registrar.read("json", headers=headers)
    assert {name: registrar.asked[0].headers.get(name) for name in sent} == sent


def test_a_json_list_has_its_own_names_for_everything(registrar: StandIn) -> None:
    row = {
        "host": {"fqdn": "a.com"},
        "Expiry Date": "01/31/2027",
        "renew": {"auto": "yes"},
        "price": "12.5",
        "currency": "eur",
    }
    registrar.answer = lambda asked: given_json({"data": {"list": [row]}, "more": []})
    found = only(registrar, "json", items="data.list", fields="name=host.fqdn, auto_renew=renew.auto")
    assert (found.name, str(found.expires_at), found.auto_renew) == ("a.com", "2027-01-31", True)
    assert (str(found.renewal_price), found.currency) == ("12.5", "EUR")


def test_a_price_without_its_currency_is_no_price(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json([{"name": "a.com", "price": 12.5}, {"name": "b.com", "price": 9}])
    assert [(row.renewal_price, row.currency) for row in registrar.read("json").registrations] == [(None, None)] * 2


def test_an_address_may_name_a_thing_twice(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json([] if "page=2" in asked.query else ["a.com"])
    registrar.read("json", url="https://assets.example/domains?state=active&state=expired", paging="page page")
    assert [asked.query for asked in registrar.asked] == [
        "state=active&state=expired",
        "state=active&state=expired&page=2",
    ]


def premium(kind: str, *names: str) -> Any:
    """Answer with a premium name for which more has to be paid, and others."""

    def answer(asked: Asked) -> Given:
        name = asked.fields.get("name") or asked.path.split("/")[-2]
        is_dear = name == "dear.us"
        if asked.path.endswith("/check"):
            price = {"price_before_taxes": 900 if is_dear else 15, "type": "premium" if is_dear else "standard"}
            return given_json({"currency": "EUR", "products": [{"process": "renew", "prices": [price]}]})
        if asked.path.endswith("/prices"):
            return given_json({"data": {"premium": is_dear, "renewal_price": 900 if is_dear else 15}})
        if kind == "gandi":
            return given_json([{"fqdn": name} for name in names])
        return given_json({"data": [{"name": name} for name in names], "pagination": {"total_entries": len(names)}})

    return answer


@pytest.mark.parametrize("kind", ["gandi", "dnsimple"])
def test_the_price_of_a_premium_name_is_its_own(registrar: StandIn, kind: str) -> None:
    registrar.answer = premium(kind, "dear.us", "plain.us", "usual.us", "a.de")
    prices = {row.name: str(row.renewal_price) for row in registrar.read(kind).registrations}
    assert prices == {"dear.us": "900", "plain.us": "15", "usual.us": "15", "a.de": "15"}
    assert len(registrar.asked) == 4  # the list, a.de, dear.us, and plain.us for those that are left


def test_a_name_that_dnsimple_only_hosts_has_no_price_there(registrar: StandIn) -> None:
    row = {"name": "a.us", "state": "hosted", "expires_at": None}
    registrar.answer = answers(domains={"data": [row], "pagination": {"total_entries": 1}})
    assert only(registrar, "dnsimple").renewal_price is None
    assert len(registrar.asked) == 1


def test_a_price_that_cannot_be_asked_for_is_a_remark(registrar: StandIn) -> None:
    registrar.answer = answers(domains=[GANDI], check=given_json({"message": "no"}, 403))
    listing = registrar.read("gandi")
    assert listing.complete
    assert [note.partition(" (")[0] for note in listing.notes] == ["no renewal price for .fr: Gandi: not entitled"]


def test_a_json_list_follows_a_link_header_but_to_no_other_server(registrar: StandIn) -> None:
    replies = iter([("/domains?p=2", "a.com"), ("https://elsewhere.example/x", "b.com")])

    def answer(asked: Asked) -> Given:
        link, name = next(replies)
        return Given(f'["{name}"]'.encode(), 200, {"Link": f'<{link}>; rel="next"'})

    registrar.answer = answer
    listing = registrar.read("json")
    assert [asked.fields for asked in registrar.asked] == [{}, {"p": "2"}]
    assert listing.notes == ("the next page is on another server, which is not asked",)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"fields": "fqdn"}, "cannot map fqdn"),
        ({"fields": "when=x"}, "cannot map when"),
        ({"paging": "page"}, "pages by"),
        ({"paging": "hop x"}, "pages by"),
        ({"headers": "nonsense"}, "takes headers like"),
        ({"headers": '{"X-Key": "a\\u00e9"}'}, "takes headers like"),
        ({"headers": '{"X-Key": "a\\nHost: b"}'}, "takes headers like"),
        ({"url": "assets.example"}, "base URL like"),
    ],
)
def test_a_mistake_in_what_describes_a_json_list_is_told(registrar: StandIn, more: dict[str, str], words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        registrar.read("json", **more)
    assert caught.value.reason == "settings"
    assert registrar.asked == []


def test_the_token_in_a_json_lists_header_is_masked(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json({"message": "token json-token-9d9d is wrong"}, 401)
    with pytest.raises(SourceError, match=r"token \*\*\* is wrong"):
        registrar.read("json")


def test_details_are_asked_for_the_most_urgent_names_first() -> None:
    known = {"far.com": TODAY + timedelta(days=300), "soon.com": TODAY + timedelta(days=9), "new.com": None}
    assert in_order(["far.com", "soon.com", "new.com"], known, TODAY, limit=2) == ["new.com", "soon.com", "far.com"]


def test_every_calm_name_has_its_turn() -> None:
    known = {f"{n}.com": TODAY + timedelta(days=300) for n in range(10)}
    asked = {name for day in range(5) for name in in_order([*known], known, TODAY + timedelta(days=day), limit=2)[:2]}
    assert asked == known.keys()


def test_a_slow_registrar_is_asked_about_as_many_names_as_there_is_time_for(
    registrar: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sources.account.LOOPBACK", frozenset())  # as if IONOS itself answered
    monkeypatch.setattr("app.sources.details.MINUTES", 0)
    registrar.answer = answers(domainitems={"count": 1, "domains": [{"id": "f00", "name": "a.de"}]})
    account = KINDS["ionos"].account(CREDENTIALS["ionos"], base_url=registrar.url, sleep=lambda seconds: None)
    listing = KINDS["ionos"].read(account)
    assert (listing.complete, len(listing.registrations)) == (True, 1)
    assert listing.notes == ("1 of 1 names keep the details known before; their turn comes on other days",)
