"""GoDaddy: marker pages, names without a date, and its ways to refuse."""

from typing import Any

import pytest

from app.sources.failures import SourceError
from tests.sources.stand_in import Asked, Given, StandIn, given_json

ROW = {
    "domain": "Alpha-Shop.com",
    "status": "ACTIVE",
    "createdAt": "2021-03-02T09:15:00.000Z",
    "expires": "2027-03-02T09:15:00.000Z",
    "renewDeadline": "2028-04-16T09:15:00.000Z",
    "renewAuto": True,
    "locked": True,
    "privacy": False,
    "nameServers": ["NS1.example.net", "ns2.example.net"],
}


def rows(first: int, last: int) -> list[dict[str, Any]]:
    return [ROW | {"domain": f"name{number:06d}.com"} for number in range(first, last)]


def pages_of(names: list[dict[str, Any]]) -> Any:
    """Answers as GoDaddy does: what follows the marker, at most `limit` of it."""

    def answer(asked: Asked) -> Given:
        marker = asked.fields.get("marker", "")
        return given_json([row for row in names if row["domain"] > marker][: int(asked.fields["limit"])])

    return answer


def test_a_domain_is_read_with_all_it_says(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json([ROW])
    assert [row.as_json() for row in registrar.read("godaddy").registrations] == [
        {
            "name": "alpha-shop.com",
            "expires_at": "2027-03-02T09:15:00Z",
            "registered_at": "2021-03-02T09:15:00Z",
            "auto_renew": True,
            "locked": True,
            "privacy": False,
            "status": "ACTIVE",
            "nameservers": ["ns1.example.net", "ns2.example.net"],
            "renewal_price": None,
            "currency": None,
        }
    ]


def test_the_key_goes_in_a_header_and_auth_codes_are_not_asked_for(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json([])
    registrar.read("godaddy")
    assert registrar.asked[0].headers["Authorization"] == "sso-key gd-key-5f1c:gd-secret-77ab"
    assert registrar.asked[0].fields == {
        "limit": "1000",
        "statusGroups": "VISIBLE",
        "includes": "nameServers",
    }


def test_a_name_registered_elsewhere_is_kept_without_a_date(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json([{"domain": "hosted.org", "status": "ACTIVE", "nameServers": None}])
    listing = registrar.read("godaddy")
    assert [(row.name, row.expires_at, row.nameservers) for row in listing.registrations] == [
        ("hosted.org", None, None)
    ]
    assert listing.complete


@pytest.mark.parametrize("number", [0, 999, 1000, 1001, 2000, 3500])
def test_every_page_is_read(registrar: StandIn, number: int) -> None:
    registrar.answer = pages_of(rows(0, number))
    listing = registrar.read("godaddy")
    assert (len(listing.registrations), listing.complete, listing.notes) == (number, True, ())


def test_the_marker_is_the_last_name_of_the_page_before(registrar: StandIn) -> None:
    registrar.answer = pages_of(rows(0, 1500))
    registrar.read("godaddy")
    assert [asked.fields.get("marker") for asked in registrar.asked] == [None, "name000999.com"]


def test_a_page_that_comes_again_leaves_the_list_incomplete(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json(rows(0, 1000))
    listing = registrar.read("godaddy")
    assert (len(listing.registrations), listing.complete, len(registrar.asked)) == (1000, False, 2)
    assert listing.notes == ("a page came twice, so the rest of the list cannot be reached",)


def test_a_marker_that_comes_again_leaves_the_list_incomplete(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json([*rows(n := 1000 * len(registrar.asked), n + 999), ROW])
    listing = registrar.read("godaddy")
    assert (listing.complete, len(registrar.asked)) == (False, 2)
    assert listing.notes == ("a marker came twice, so the rest of the list cannot be reached",)


def test_a_list_without_an_end_is_left_at_the_page_cap(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json(
        [{"domain": f"n{len(registrar.asked)}-{number}.com"} for number in range(1000)]
    )
    listing = registrar.read("godaddy")
    assert (len(registrar.asked), listing.complete) == (200, False)
    assert listing.notes == ("the list did not end within 200 pages",)


def test_a_bad_row_is_skipped_and_told(registrar: StandIn) -> None:
    bad: list[Any] = [{"domain": "b.com", "expires": "soon"}, "text", {"status": "ACTIVE"}]
    registrar.answer = lambda asked: given_json([ROW, *bad])
    listing = registrar.read("godaddy")
    assert ([row.name for row in listing.registrations], listing.complete) == (["alpha-shop.com"], False)
    assert listing.notes == (
        "skipped a row: b.com: 'soon' is no date",
        "skipped a row: '' is no domain name",
        "skipped a row: '' is no domain name",
    )


def test_of_many_bad_rows_some_are_told_and_all_are_counted(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json([{}] * 30)
    assert registrar.read("godaddy").notes[5:] == ("skipped 25 more rows",)


FAILURES = {
    "wrong key": (given_json({"code": "UNABLE_TO_AUTHENTICATE"}, 401), "UNABLE_TO_AUTHENTICATE"),
    "not entitled": (given_json({"code": "ACCESS_DENIED"}, 403), "more domains or a paid plan"),
    "rate limited": (given_json({"code": "TOO_MANY_REQUESTS", "retryAfterSec": 3}, 429), "wait some minutes"),
    "their fault": (Given(b"<html>oops</html>", 502), "502"),
    "refused": (given_json({"code": "NOT_FOUND", "message": "gone"}, 404), "NOT_FOUND: gone"),
}
NO_ANSWERS = {
    "another server": (Given(b"<html>no such page</html>", 404), "check the base URL"),
    "html": (Given(b"<html>sign in</html>"), "an HTML page"),
    "cut off": (Given(b'[{"domain": "a.com"'), "not JSON"),
    "no list": (given_json({"domains": []}), "no list"),
    "refusal in a list": (given_json([], 400), "400"),
    "redirect": (Given(b"", 302, {"Location": "http://127.0.0.1:9/"}), "302"),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_says_what_happened(registrar: StandIn, reason: str) -> None:
    given, words = FAILURES[reason]
    registrar.answer = lambda asked: given
    with pytest.raises(SourceError, match=words) as caught:
        registrar.read("godaddy")
    assert caught.value.reason == reason


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_what_is_no_answer_is_an_error_and_no_empty_list(registrar: StandIn, case: str) -> None:
    given, words = NO_ANSWERS[case]
    registrar.answer = lambda asked: given
    with pytest.raises(SourceError, match=words) as caught:
        registrar.read("godaddy")
    assert caught.value.reason == "unexpected answer"


def test_a_key_that_the_registrar_repeats_is_not_told(registrar: StandIn) -> None:
    body = {
        "code": "X",
        "message": "key gd-key-5f1c:gd-secret-77ab\nis bad\x1b[31m " + "gd-secret-77ab " * 50,
    }
    registrar.answer = lambda asked: given_json(body, 401)
    with pytest.raises(SourceError, match=r"key \*\*\*:\*\*\* is bad") as caught:
        registrar.read("godaddy")
    assert "gd-" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_the_wait_it_asks_for_is_kept_to(registrar: StandIn) -> None:
    answers = iter([given_json({"code": "TOO_MANY_REQUESTS", "retryAfterSec": 17}, 429), given_json([ROW])])
    registrar.answer = lambda asked: next(answers)
    assert registrar.read("godaddy").complete
    assert registrar.waits == [17.0]


def test_a_limit_without_a_wait_is_waited_out_by_our_own_measure(registrar: StandIn) -> None:
    answers = iter([given_json({"code": "TOO_MANY_REQUESTS"}, 429), given_json([ROW])])
    registrar.answer = lambda asked: next(answers)
    assert registrar.read("godaddy").complete
    assert registrar.waits == [0.5]


def test_a_giant_reply_is_not_read_to_its_end(registrar: StandIn) -> None:
    registrar.answer = lambda asked: Given(b" " * 25_000_000)
    with pytest.raises(SourceError, match="more than 20,000,000 bytes") as caught:
        registrar.read("godaddy")
    assert caught.value.reason == "unexpected answer"
