"""Namecheap: XML, totals, prices by suffix, and failures that look like success."""

from collections.abc import Callable

import pytest

from app.sources.failures import SourceError
from tests.sources.stand_in import Asked, Given, StandIn, given_xml

LIST, PRICES = "namecheap.domains.getList", "namecheap.users.getPricing"


def domain(name: str, **more: str) -> str:
    usual = {
        "Name": name,
        "Created": "02/11/2020",
        "Expires": "02/11/2027",
        "IsExpired": "false",
        "IsLocked": "false",
    }
    row = usual | {"AutoRenew": "false", "WhoisGuard": "ENABLED", "IsPremium": "false"} | more
    return "<Domain {} />".format(" ".join(f'{key}="{value}"' for key, value in row.items()))


def listed(*domains: str, total: object = None) -> Given:
    total = len(domains) if total is None else total
    paging = f"<Paging><TotalItems>{total}</TotalItems></Paging>"
    found = f"<DomainGetListResult>{''.join(domains)}</DomainGetListResult>"
    return given_xml(f"<CommandResponse>{found}{paging}</CommandResponse>")


def priced(suffix: str, *rows: str, category: str = "renew") -> Given:
    product = f'<Product Name="{suffix}">{"".join(rows)}</Product>'
    found = f'<ProductCategory Name="{category}">{product}</ProductCategory>'
    return given_xml(f"<CommandResponse><UserGetPricingResult>{found}</UserGetPricingResult></CommandResponse>")


def cost(price: str, yours: str = "", regular: str = "", years: int = 1, currency: str = "USD") -> str:
    amounts = f'Price="{price}" YourPrice="{yours}" RegularPrice="{regular}" Currency="{currency}"'
    return f'<Price Duration="{years}" DurationType="YEAR" {amounts} />'


def failed(number: str, text: str = "no") -> Given:
    error = f'<Errors><Error Number="{number}">{text}</Error></Errors>'
    return given_xml(error + "<CommandResponse><DomainGetInfoResult ID='0' /></CommandResponse>", status="ERROR")


def no_price(suffix: str) -> Given:
    return failed("2030166")


def answering(page: Given, price: Callable[[str], Given] = no_price) -> Callable[[Asked], Given]:
    def answer(asked: Asked) -> Given:
        return page if asked.fields["Command"] == LIST else price(asked.fields["ProductName"])

    return answer


def test_a_domain_is_read_with_all_it_says(registrar: StandIn) -> None:
    registrar.answer = answering(listed(domain("alpha-blog.net")), lambda suffix: priced("net", cost("12.50")))
    assert [row.as_json() for row in registrar.read("namecheap").registrations] == [
        {
            "name": "alpha-blog.net",
            "expires_at": "2027-02-11",
            "registered_at": "2020-02-11",
            "auto_renew": False,
            "locked": None,
            "privacy": True,
            "status": "active",
            "nameservers": None,
            "renewal_price": 12.5,
            "currency": "USD",
        }
    ]


def test_nothing_of_the_account_is_in_the_address(registrar: StandIn) -> None:
    registrar.answer = answering(listed())
    registrar.read("namecheap")
    assert [asked.path for asked in registrar.asked] == ["/xml.response"]
    assert registrar.asked[0].fields == {
        "ApiUser": "acme",
        "ApiKey": "nc-key-90de",
        "UserName": "acme",
        "ClientIp": "192.0.2.7",
        "Command": LIST,
        "ListType": "ALL",
        "Page": "1",
        "PageSize": "100",
    }


@pytest.mark.parametrize(
    ("guard", "privacy"),
    [("ENABLED", True), ("NOTPRESENT", False), ("NOTALLOTED", False), ("", None), ("NEW", None)],
)
def test_privacy_is_what_whoisguard_says(registrar: StandIn, guard: str, privacy: bool | None) -> None:
    registrar.answer = answering(listed(domain("a.com", WhoisGuard=guard)))
    assert registrar.read("namecheap").registrations[0].privacy is privacy


@pytest.mark.parametrize(
    ("locked", "expired", "status"),
    [("true", "false", "held by Namecheap"), ("false", "true", "expired"), ("false", "", None)],
)
def test_the_status_comes_from_two_flags(registrar: StandIn, locked: str, expired: str, status: str | None) -> None:
    registrar.answer = answering(listed(domain("a.com", IsLocked=locked, IsExpired=expired)))
    assert registrar.read("namecheap").registrations[0].status == status


def test_pages_are_read_until_the_announced_total(registrar: StandIn) -> None:
    names = [domain(f"n{number}.com") for number in range(250)]

    def answer(asked: Asked) -> Given:
        if asked.fields["Command"] == PRICES:
            return priced("com", cost("10"))
        page = int(asked.fields["Page"])
        return listed(*names[page * 100 - 100 : page * 100], total=250)

    registrar.answer = answer
    listing = registrar.read("namecheap")
    assert (len(listing.registrations), listing.complete) == (250, True)
    assert [asked.fields.get("Page") for asked in registrar.asked] == ["1", "2", "3", None]


def test_fewer_than_announced_leaves_the_list_incomplete(registrar: StandIn) -> None:
    names = [domain("a.com"), domain("b.com")]
    registrar.answer = lambda asked: listed(*(names if asked.fields.get("Page") == "1" else []), total=5)
    listing = registrar.read("namecheap")
    assert (len(listing.registrations), listing.complete) == (2, False)
    assert "5 domains were announced, 2 came" in listing.notes


def test_the_same_page_for_every_number_leaves_the_list_incomplete(registrar: StandIn) -> None:
    registrar.answer = answering(listed(domain("a.com"), total=3))
    listing = registrar.read("namecheap")
    assert (len(listing.registrations), listing.complete) == (1, False)
    assert [asked.fields["Command"] for asked in registrar.asked].count(LIST) == 2


def test_a_list_without_a_total_proves_nothing(registrar: StandIn) -> None:
    registrar.answer = answering(listed(domain("a.com"), total=""))
    listing = registrar.read("namecheap")
    assert (listing.complete, listing.notes[0]) == (False, "the answer announces no total")


def test_a_bad_row_is_skipped_and_told(registrar: StandIn) -> None:
    registrar.answer = answering(listed(domain("a.com"), domain("b.com", Expires="2027/31/12")))
    listing = registrar.read("namecheap")
    assert ([row.name for row in listing.registrations], listing.complete) == (["a.com"], False)
    assert listing.notes[0] == "skipped a row: b.com: '2027/31/12' is no date"


@pytest.mark.parametrize(
    ("rows", "price"),
    [
        pytest.param([cost("11.00", "11.50", "12.88")], "11.00", id="price"),
        pytest.param([cost("0.0", "10.50", "12.00")], "10.50", id="zero, so yours"),
        pytest.param([cost("", "0.00", "9.18")], "9.18", id="empty, so regular"),
        pytest.param([cost("22", years=2), cost("11")], "11", id="one year"),
        pytest.param([cost("", "", "")], "None", id="none"),
        pytest.param([], "None", id="no row"),
    ],
)
def test_the_renewal_price_is_the_first_above_zero(registrar: StandIn, rows: list[str], price: str) -> None:
    registrar.answer = answering(listed(domain("a.co.uk")), lambda suffix: priced(suffix.lower(), *rows))
    assert str(registrar.read("namecheap").registrations[0].renewal_price) == price
    assert registrar.asked[-1].fields["ProductName"] == "CO.UK"


def test_a_price_for_something_else_is_not_taken(registrar: StandIn) -> None:
    registrar.answer = answering(listed(domain("a.com")), lambda suffix: priced("com", cost("8"), category="register"))
    assert registrar.read("namecheap").registrations[0].renewal_price is None


def test_a_premium_name_does_not_get_the_usual_price(registrar: StandIn) -> None:
    names = listed(domain("gold.com", IsPremium="true"), domain("a.com"))
    registrar.answer = answering(names, lambda suffix: priced("com", cost("11")))
    assert [str(row.renewal_price) for row in registrar.read("namecheap").registrations] == ["None", "11"]


def test_a_price_that_cannot_be_read_fails_nothing_else(registrar: StandIn) -> None:
    prices = {"COM": failed("2011280", "TLD is not supported"), "NET": priced("net", cost("12"))}
    registrar.answer = answering(listed(domain("a.com"), domain("b.net")), prices.__getitem__)
    listing = registrar.read("namecheap")
    assert [str(row.renewal_price) for row in listing.registrations] == ["None", "12"]
    assert listing.complete
    assert "no renewal price for .com: Namecheap: refused (2011280: TLD is not supported)" in listing.notes[0]


def test_prices_are_not_asked_for_any_more_once_the_limit_is_reached(registrar: StandIn) -> None:
    registrar.answer = answering(listed(domain("a.com"), domain("b.net")), lambda suffix: Given(b"", 405))
    listing = registrar.read("namecheap")
    assert (listing.complete, len(listing.notes)) == (True, 1)
    assert {asked.fields.get("ProductName") for asked in registrar.asked} == {None, "COM"}


@pytest.mark.parametrize(
    ("given", "reason", "words"),
    [
        pytest.param(failed("1011102", "API Key is invalid"), "wrong key", "Profile > Tools", id="wrong key"),
        pytest.param(failed("1011150", "Invalid request IP"), "address not allowed", "client_ip", id="address"),
        pytest.param(failed("4011103", "no"), "not entitled", "4011103", id="not entitled"),
        pytest.param(failed("5050900", "Unknown"), "their fault", "5050900", id="their fault"),
        pytest.param(failed("2030166", "Domain is invalid"), "refused", "2030166: Domain is invalid", id="refused"),
        pytest.param(given_xml("", status="ERROR"), "refused", "no number", id="no number"),
        pytest.param(Given(b"", 405), "rate limited", "405", id="rate limited"),
        pytest.param(Given(b"<html>oops</html>", 500), "their fault", "500", id="500"),
        pytest.param(Given(b"<!DOCTYPE html><html></html>"), "unexpected answer", "web page", id="html"),
        pytest.param(Given(b"<html><body/></html>"), "unexpected answer", "no Namecheap answer", id="xhtml"),
        pytest.param(Given(b"<ApiResponse><Command"), "unexpected answer", "breaks off", id="cut off"),
        pytest.param(Given(b'{"domains": []}'), "unexpected answer", "malformed", id="json"),
    ],
)
def test_a_failure_says_what_happened(registrar: StandIn, given: Given, reason: str, words: str) -> None:
    registrar.answer = lambda asked: given
    with pytest.raises(SourceError, match=words) as caught:
        registrar.read("namecheap")
    assert caught.value.reason == reason


@pytest.mark.parametrize("given", [Given(b"", 405), failed("3050900")])
def test_a_limit_or_trouble_of_theirs_is_waited_out(registrar: StandIn, given: Given) -> None:
    answers = iter([given, given, listed()])
    registrar.answer = lambda asked: next(answers)
    assert registrar.read("namecheap").complete
    assert registrar.waits == [0.5, 1.5]


def test_the_limit_of_a_minute_is_waited_out_for_a_minute(registrar: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sources.account.LOOPBACK", frozenset())  # as if Namecheap itself answered
    answers = iter([Given(b"", 405), listed()])
    registrar.answer = lambda asked: next(answers)
    assert registrar.read("namecheap").complete
    assert registrar.waits[0] == 60


def test_a_registrar_out_of_reach_is_told(registrar: StandIn) -> None:
    registrar.url = "http://127.0.0.1:1"
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        registrar.read("namecheap")
    assert caught.value.reason == "unreachable"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><ApiResponse>&b;</ApiResponse>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_entities_are_never_expanded(registrar: StandIn, encoding: str) -> None:
    registrar.answer = lambda asked: Given(BOMB.encode(encoding))
    with pytest.raises(SourceError) as caught:
        registrar.read("namecheap")
    assert caught.value.reason == "unexpected answer"


def test_the_key_is_not_told_even_when_the_answer_repeats_it(registrar: StandIn) -> None:
    registrar.answer = lambda asked: failed("1011102", "key nc-key-90de is invalid")
    with pytest.raises(SourceError, match=r"key \*\*\* is invalid"):
        registrar.read("namecheap")
