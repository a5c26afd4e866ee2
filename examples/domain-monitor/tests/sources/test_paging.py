"""How each registrar's pages are followed to the proven end, and what is not taken for one."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sources.stand_in import Asked, Given, StandIn, given_json
from tests.sources.test_registrars import with_header

NAMES = [f"name{number:05d}.com" for number in range(2500)]
Answer = Callable[[Asked], Given]


def numbers(asked: Asked) -> dict[str, int]:
    """Everything asked for that is a number."""
    return {key: int(value) for key, value in {**asked.fields, **(asked.json or {})}.items() if str(value).isdigit()}


def cloudflare(asked: Asked) -> Given:
    start = int(asked.fields.get("cursor", "0"))
    following = start + int(asked.fields["per_page"])
    rows = [{"domain_name": name} for name in NAMES[start:following]]
    cursor = str(following) if following < len(NAMES) else ""
    return given_json({"success": True, "result": rows, "result_info": {"count": len(rows), "cursor": cursor}})


def gandi(asked: Asked) -> Given:
    if asked.path.endswith("/check"):
        return given_json({"message": "no such product"}, 404)
    size, page = numbers(asked)["per_page"], numbers(asked)["page"]
    rows = [{"fqdn": name} for name in NAMES[(page - 1) * size : page * size]]
    return with_header(rows, Total_Count=str(len(NAMES)))


def porkbun(asked: Asked) -> Given:
    if asked.path.endswith("/pricing/get"):
        return given_json({"status": "SUCCESS", "pricing": {}})
    start = numbers(asked)["start"]
    return given_json({"status": "SUCCESS", "domains": [{"domain": name} for name in NAMES[start : start + 1000]]})


def route53(asked: Asked) -> Given:
    if asked.headers["X-Amz-Target"].endswith("ListPrices"):
        return given_json({"Prices": []})
    start = int(asked.json.get("Marker", "0"))
    more = {"NextPageMarker": str(start + 100)} if start + 100 < len(NAMES) else {}
    return given_json({"Domains": [{"DomainName": name} for name in NAMES[start : start + 100]], **more})


def dynadot_from(first: int) -> Answer:
    def answer(asked: Asked) -> Given:
        if asked.fields["command"] == "tld_price":
            return given_json({"TldPriceResponse": {"ResponseCode": 0}})
        page, size = numbers(asked).get("page_index", first) - first, numbers(asked)["count_per_page"]
        rows = [{"Name": name} for name in NAMES[page * size : (page + 1) * size]]
        return given_json({"ListDomainInfoResponse": {"ResponseCode": 0, "MainDomains": rows}})

    return answer


def dynadot_at_once(asked: Asked) -> Given:
    rows = [{"Name": name} for name in NAMES]
    return given_json({"ListDomainInfoResponse": {"ResponseCode": 0, "MainDomains": rows}})


def spaceship(asked: Asked) -> Given:
    skip, take = numbers(asked)["skip"], numbers(asked)["take"]
    return given_json({"items": [{"name": name} for name in NAMES[skip : skip + take]], "total": len(NAMES)})


def inwx(asked: Asked) -> Given:
    if asked.json["method"] == "account.login":
        return Given(b'{"code": 1000}', 200, {"Set-Cookie": "domrobot=abc; path=/"})
    if asked.headers.get("Cookie") != "domrobot=abc":
        return given_json({"code": 2002, "msg": "Command use error"})
    if asked.json["method"] == "domain.getPrices":
        return given_json({"code": 1000, "resData": {"price": []}})
    size, page = asked.json["params"]["pagelimit"], asked.json["params"]["page"]
    rows = [{"domain": name} for name in NAMES[(page - 1) * size : page * size]]
    return given_json({"code": 1000, "resData": {"count": str(len(NAMES)), "domain": rows}})


def ionos(asked: Asked) -> Given:
    if "offset" not in asked.fields:
        return given_json({"autoRenew": True})
    start, size = numbers(asked)["offset"], numbers(asked)["limit"]
    rows = [{"id": name, "name": name} for name in NAMES[start : start + size]]
    return given_json({"count": len(NAMES), "domains": rows})


def namesilo(asked: Asked) -> Given:
    if not asked.path.endswith("listDomains"):
        return given_json({"reply": {"code": 300}})
    page, size = numbers(asked)["page"], numbers(asked)["pageSize"]
    rows = [{"domain": name, "expires": "2027-01-02"} for name in NAMES[(page - 1) * size : page * size]]
    return given_json({"reply": {"code": 300, "domains": rows, "pager": {"total": len(NAMES)}}})


def dnsimple(asked: Asked) -> Given:
    if asked.path.endswith("/prices"):
        return given_json({"message": "no such product"}, 404)
    page, size = numbers(asked)["page"], numbers(asked)["per_page"]
    rows = [{"name": name} for name in NAMES[(page - 1) * size : page * size]]
    return given_json({"data": rows, "pagination": {"current_page": page, "total_entries": len(NAMES)}})


PAGED: dict[str, tuple[str, Answer]] = {
    "cloudflare": ("cloudflare", cloudflare),
    "gandi": ("gandi", gandi),
    "porkbun": ("porkbun", porkbun),
    "route53": ("route53", route53),
    "dynadot from 0": ("dynadot", dynadot_from(0)),
    "dynadot from 1": ("dynadot", dynadot_from(1)),
    "dynadot at once": ("dynadot", dynadot_at_once),
    "spaceship": ("spaceship", spaceship),
    "inwx": ("inwx", inwx),
    "ionos": ("ionos", ionos),
    "namesilo": ("namesilo", namesilo),
    "dnsimple": ("dnsimple", dnsimple),
}
STUCK: dict[str, Any] = {
    "cloudflare": {"success": True, "result": [{"domain_name": "a.com"}], "result_info": {"cursor": "same"}},
    "gandi": [{"fqdn": name} for name in NAMES[:100]],
    "porkbun": {"status": "SUCCESS", "domains": [{"domain": name} for name in NAMES[:1000]]},
    "route53": {"Domains": [{"DomainName": "a.com"}], "NextPageMarker": "same"},
    "dynadot": {"ListDomainInfoResponse": {"ResponseCode": 0, "MainDomains": [{"Name": name} for name in NAMES[:100]]}},
    "spaceship": {"items": [{"name": "a.com"}], "total": 7},
    "inwx": {"code": 1000, "resData": {"count": 7, "domain": [{"domain": "a.com"}]}},
    "ionos": {"count": 7, "domains": [{"id": "1", "name": "a.com"}]},
    "namesilo": {"reply": {"code": 300, "domains": [{"domain": "a.com"}], "pager": {"total": 7}}},
    "dnsimple": {"data": [{"name": "a.com"}], "pagination": {"total_entries": 7}},
}


@pytest.mark.parametrize("case", PAGED)
def test_every_page_is_read(registrar: StandIn, case: str) -> None:
    kind, registrar.answer = PAGED[case]
    listing = registrar.read(kind)
    assert [row.name for row in listing.registrations] == NAMES
    assert (listing.complete, listing.notes) == (True, ())


def hundred(asked: Asked) -> list[dict[str, str]]:
    """A page of Gandi's; there is always another one."""
    return [{"fqdn": f"n{numbers(asked).get('page', 0)}-{n}.com"} for n in range(100)]


def test_an_announced_total_is_read_beyond_the_cap_of_pages(registrar: StandIn) -> None:
    registrar.answer = lambda asked: with_header(hundred(asked), Total_Count="20300")
    listing = registrar.read("gandi")
    assert (len(listing.registrations), listing.complete) == (20_300, True)


def test_a_list_without_a_total_ends_at_the_cap_and_is_incomplete(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json(hundred(asked))
    listing = registrar.read("gandi")
    assert (len(listing.registrations), listing.complete) == (20_000, False)
    assert listing.notes[0] == "the list did not end within 200 pages"


@pytest.mark.parametrize("kind", STUCK)
def test_a_list_that_turns_in_a_circle_is_left_and_incomplete(registrar: StandIn, kind: str) -> None:
    registrar.answer = lambda asked: given_json(STUCK[kind])
    listing = registrar.read(kind)
    assert not listing.complete
    assert "came twice, so the rest of the list cannot be reached" in " ".join(listing.notes)
    assert len(registrar.asked) < 500


@pytest.mark.parametrize("kind", ["spaceship", "inwx", "ionos", "namesilo", "dnsimple"])
def test_a_list_that_ends_before_its_total_is_incomplete(registrar: StandIn, kind: str) -> None:
    rows = ("items", "domain", "domains", "data")

    def cut(body: Any) -> Any:
        if isinstance(body, dict):
            return {key: [] if key in rows else cut(value) for key, value in body.items()}
        return body

    registrar.answer = lambda asked: given_json(cut(STUCK[kind]))
    listing = registrar.read(kind)
    assert (listing.complete, listing.notes) == (False, ("7 domains were announced, 0 came",))


@pytest.mark.parametrize(
    ("paging", "total"),
    [("page page", ""), ("offset=skip", "meta.total"), ("next links.next", ""), ("cursor c meta.c", "")],
)
def test_a_json_list_is_paged_as_it_is_told(registrar: StandIn, paging: str, total: str) -> None:
    def answer(asked: Asked) -> Given:
        given = numbers(asked)
        start = (given.get("page", 1) - 1) * 100 + given.get("skip", 0) + given.get("c", 0)
        following = start + 100 if start + 100 < len(NAMES) else 0
        links = {"next": f"/domains?skip={following}" if following else None}
        meta = {"total": len(NAMES), "c": following or None}
        return given_json(
            {"found": [{"host": name} for name in NAMES[start : start + 100]], "links": links, "meta": meta}
        )

    registrar.answer = answer
    listing = registrar.read("json", items="found", fields="name=host", paging=paging, total=total)
    assert (len(listing.registrations), listing.complete, listing.notes) == (2500, True, ())
