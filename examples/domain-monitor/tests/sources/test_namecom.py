"""Name.com: two generations of one API."""

from typing import Any

import pytest

from app.sources.failures import SourceError
from tests.sources.stand_in import Asked, Given, StandIn, given_json

ROW = {
    "domainName": "alpha-care.com",
    "createDate": "2018-06-01T12:00:00Z",
    "expireDate": "2027-06-01T12:00:00Z",
    "autorenewEnabled": True,
    "locked": True,
    "privacyEnabled": False,
    "nameservers": ["ns1.example.net"],
    "renewalPrice": 17.99,
}


def core(*rows: dict[str, Any], total: object = None, **more: object) -> Given:
    return given_json({"domains": rows, "totalCount": len(rows) if total is None else total, "from": 1, **more})


def old(answer: Given) -> Any:
    """An answer that only the older API gives."""
    missing = given_json({"message": "Not Found"}, 404)
    return lambda asked: answer if asked.path == "/v4/domains" else missing


def test_a_domain_is_read_with_all_it_says(registrar: StandIn) -> None:
    registrar.answer = lambda asked: core(ROW)
    listing = registrar.read("namecom")
    assert listing.complete
    assert [row.as_json() for row in listing.registrations] == [
        {
            "name": "alpha-care.com",
            "expires_at": "2027-06-01T12:00:00Z",
            "registered_at": "2018-06-01T12:00:00Z",
            "auto_renew": True,
            "locked": True,
            "privacy": False,
            "status": None,
            "nameservers": ["ns1.example.net"],
            "renewal_price": 17.99,
            "currency": "USD",
        }
    ]


def test_the_token_goes_in_a_header(registrar: StandIn) -> None:
    registrar.answer = lambda asked: core()
    registrar.read("namecom")
    assert registrar.asked[0].headers["Authorization"] == "Basic YWNtZTpuY29tLXRva2VuLTMxYzg="
    assert registrar.asked[0].fields == {"perPage": "1000", "page": "1"}


def test_the_older_api_leaves_out_what_is_false(registrar: StandIn) -> None:
    body = b'{"domains":[{"domainName":"aur.im","expireDate":"2021-06-02T00:59:57Z"}]}'
    registrar.answer = old(Given(body, 200, {"Content-Type": "text/html; charset=UTF-8"}))
    listing = registrar.read("namecom")
    assert [(row.auto_renew, row.locked, row.privacy) for row in listing.registrations] == [(False, False, None)]
    assert listing.complete


def test_the_core_api_leaves_out_what_it_does_not_know(registrar: StandIn) -> None:
    registrar.answer = lambda asked: core({"domainName": "a.com"})
    row = registrar.read("namecom").registrations[0]
    assert (row.auto_renew, row.locked, row.privacy, row.renewal_price, row.currency) == (None,) * 5


@pytest.mark.parametrize("total", [{}, {"totalCount": None}], ids=["left out", "null"])
def test_a_core_answer_without_a_total_proves_nothing(registrar: StandIn, total: dict[str, Any]) -> None:
    registrar.answer = lambda asked: given_json({"domains": [{"domainName": "a.com"}], **total})
    listing = registrar.read("namecom")
    assert (listing.complete, listing.notes) == (False, ("the answer announces no total",))
    assert [(row.auto_renew, row.locked) for row in listing.registrations] == [(None, None)]


def paged(asked: Asked) -> Given:
    page = int(asked.fields["page"])
    rows = [ROW | {"domainName": f"n{page}-{number}.com"} for number in range(2)]
    return core(*rows, total=6, **({"nextPage": page + 1, "lastPage": 3} if page < 3 else {}))


def test_next_pages_are_followed_to_the_last(registrar: StandIn) -> None:
    registrar.answer = paged
    listing = registrar.read("namecom")
    assert (len(listing.registrations), listing.complete) == (6, True)
    assert [asked.fields["page"] for asked in registrar.asked] == ["1", "2", "3"]


UNPROVEN = {
    "short": (core(ROW, total=2), "2 domains were announced, 1 came"),
    "short, as text": (core(ROW, total="3"), "3 domains were announced, 1 came"),
    "same page": (core(ROW, nextPage=1), "a page came twice, so the rest of the list cannot be reached"),
    "no way on": (core(ROW, lastPage=4), "a last page was announced that no page leads to"),
}


@pytest.mark.parametrize("case", UNPROVEN)
def test_an_end_that_is_not_proven_leaves_the_list_incomplete(registrar: StandIn, case: str) -> None:
    given, note = UNPROVEN[case]
    registrar.answer = lambda asked: given
    listing = registrar.read("namecom")
    assert (len(listing.registrations), listing.complete, listing.notes) == (1, False, (note,))


def test_page_numbers_that_turn_in_a_circle_are_left(registrar: StandIn) -> None:
    registrar.answer = lambda asked: core(ROW | {"domainName": f"n{len(registrar.asked)}.com"}, total=9, nextPage=2)
    listing = registrar.read("namecom")
    assert (listing.complete, len(registrar.asked)) == (False, 2)


def test_two_pages_that_overlap_do_not_pass_for_the_whole(registrar: StandIn) -> None:
    a, b, c = ({"domainName": f"{letter}.com"} for letter in "abc")
    pages = {"1": core(a, b, total=4, nextPage=2), "2": core(c, b, total=4)}
    registrar.answer = lambda asked: pages[asked.fields["page"]]
    listing = registrar.read("namecom")
    assert (listing.complete, listing.notes) == (False, ("4 domains were announced, 3 came",))


FAILURES = {
    "wrong key": (given_json({"message": "Unauthenticated"}, 401), "Unauthenticated"),
    "address not allowed": (given_json({"message": "Permission Denied"}, 403), "public address"),
    "rate limited": (given_json({"message": "Too many"}, 429), "Too many"),
    "their fault": (given_json({"message": "Boom", "details": "x"}, 500), "Boom: x"),
    "refused": (given_json({"message": "Not Found"}, 404), "/v4/domains Not Found"),
}
NO_ANSWERS = {
    "html": (Given(b"<html></html>"), "an HTML page"),
    "a list": (given_json([]), "no object"),
    "no domains": (given_json({}), "no list"),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_says_what_happened(registrar: StandIn, reason: str) -> None:
    given, words = FAILURES[reason]
    registrar.answer = lambda asked: given
    with pytest.raises(SourceError, match=words) as caught:
        registrar.read("namecom")
    assert caught.value.reason == reason


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_what_is_no_answer_is_an_error_and_no_empty_list(registrar: StandIn, case: str) -> None:
    given, words = NO_ANSWERS[case]
    registrar.answer = lambda asked: given
    with pytest.raises(SourceError, match=words) as caught:
        registrar.read("namecom")
    assert caught.value.reason == "unexpected answer"


def test_the_reset_time_it_names_is_waited_for(registrar: StandIn) -> None:
    busy = Given(b"{}", 429, {"x-ratelimit-reset": "1000000001"})
    answers = iter([busy, core()])
    registrar.answer = lambda asked: next(answers)
    assert registrar.read("namecom").complete
    assert registrar.waits == [0.5]
