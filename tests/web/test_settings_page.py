"""The settings page and the command that lists the same."""

import pytest
from starlette.testclient import TestClient

from app.settings import Settings
from core.settings import listing
from core.testing import html
from tests.web.asking import ClientAs, column


def test_an_admin_sees_every_setting_with_its_value(client: TestClient) -> None:
    page = html(client.get("/-/settings"))
    assert column(page) == [name.upper() for name in Settings.model_fields]
    assert "Test tool" in column(page, 2)


def test_nobody_else_sees_settings(client_as: ClientAs) -> None:
    assert client_as("operator").get("/-/settings").status_code == 403


class Secretive(Settings):
    """A tool with secrets."""

    api_key: str = "abc"
    smtp: str = "smtp://ann:pa55word@mail.example.com"
    providers: list[dict[str, str]] = [  # noqa: RUF012 - Pydantic copies it
        {"name": "corp", "client_secret": "hush-hush"}
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEY", "***"),
        ("SMTP", "smtp://ann:***@mail.example.com"),
        ("PROVIDERS", "[{'name': 'corp', 'client_secret': '***'}]"),
    ],
)
def test_secrets_are_masked(name: str, value: str) -> None:
    assert {row["name"]: row["value"] for row in listing(Secretive(_env_file=None))}[name] == value


def test_a_setting_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "81")
    sources = {row["name"]: row["source"] for row in listing(Settings(_env_file=None))}
    assert (sources["PORT"], sources["HOST"]) == ("environment", "default")
