"""`python -m app.sources`: trying an account without saving it."""

import json

import pytest

from app.sources.__main__ import main
from app.sources.kinds import KINDS
from tests.sources.stand_in import Given, StandIn, given_json

KEYS = ("--set", "key=gd-key-5f1c", "--set", "secret=gd-secret=77ab")
ROW = {"domain": "a.com", "expires": "2027-03-02T09:15:00.000Z"}


def test_without_a_kind_it_lists_them_with_their_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["godaddy", "key", "secret"] in [line[:3] for line in lines]
    assert [line[0] for line in lines] == list(KINDS)


def test_one_json_object_per_domain(registrar: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    registrar.answer = lambda asked: given_json([ROW, {"domain": "b.com"}])
    assert main(["godaddy", "--base-url", registrar.url, *KEYS]) == 0
    out, err = capsys.readouterr()
    assert [(json.loads(line)["name"], json.loads(line)["expires_at"]) for line in out.splitlines()] == [
        ("a.com", "2027-03-02T09:15:00Z"),
        ("b.com", None),
    ]
    assert err == ""


def test_a_value_may_hold_an_equals_sign(registrar: StandIn) -> None:
    registrar.answer = lambda asked: given_json([])
    main(["godaddy", "--base-url", registrar.url, *KEYS])
    assert registrar.asked[0].headers["Authorization"] == "sso-key gd-key-5f1c:gd-secret=77ab"


def test_a_path_of_the_base_url_is_not_used_and_that_is_said(
    registrar: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    registrar.answer = lambda asked: given_json([])
    assert main(["godaddy", "--base-url", f"{registrar.url}/some/where", *KEYS]) == 0
    assert registrar.asked[0].path == "/v1/domains"
    assert capsys.readouterr().err == "note: /some/where of the base URL is not used; the registrar's own path stays\n"


def test_an_incomplete_list_is_printed_and_fails(registrar: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    registrar.answer = lambda asked: given_json([ROW, {"domain": "b.com", "expires": "soon"}])
    assert main(["godaddy", "--base-url", registrar.url, *KEYS]) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["a.com"]
    assert err == "GoDaddy: incomplete: skipped a row: b.com: 'soon' is no date\n"


def test_a_price_that_is_missing_is_a_remark(registrar: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    listed = b"""<ApiResponse Status="OK"><Domain Name="a.com" /><TotalItems>1</TotalItems></ApiResponse>"""
    registrar.answer = lambda asked: Given(listed if "Page" in asked.fields else b"<ApiResponse/>")
    given = [f"--set={name}=value" for name in ("api_user", "api_key", "username", "client_ip")]
    assert main(["namecheap", "--base-url", registrar.url, *given]) == 0
    assert capsys.readouterr().err.startswith("note: no renewal price for .com: Namecheap: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["godady"], "'godady' is no kind of source", id="unknown kind"),
        pytest.param(["godaddy", "--set", "key=gd-key-5f1c"], "needs secret", id="missing field"),
        pytest.param(["godaddy", "--set", "gd-secret-77ab"], "--set takes KEY=VALUE", id="no equals sign"),
        pytest.param(["godaddy", "--set"], "expected one argument", id="nothing to set"),
        pytest.param(["godaddy", "--wat"], "--wat", id="unknown option"),
        pytest.param(["godaddy", *KEYS, "--timeout", "x"], "timeout", id="no number"),
        pytest.param(["godaddy", *KEYS, "--timeout", "0"], "takes 1 to 600 seconds", id="no time"),
        pytest.param(["godaddy", *KEYS, "--base-url", "nonsense"], "base URL like", id="bad address"),
        pytest.param(["godaddy", *KEYS, "--base-url", "http://127.0.0.1:1"], "cannot be reached", id="unreachable"),
    ],
)
def test_a_failure_is_one_line_on_standard_error(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert words in err
    assert "gd-" not in err
