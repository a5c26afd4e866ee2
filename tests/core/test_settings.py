from pathlib import Path

import pytest
from pydantic import Field

import core
from core import settings
from core.errors import UserError
from core.settings import PROJECT, Settings, load


class Own(core.Settings):
    """A project's settings, with a list that pydantic reads as JSON."""

    zones: list[str] = Field(default_factory=list)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No .env of the checkout, none of this machine's variables."""
    for name in Own.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for kind in (Settings, Own):
        monkeypatch.setitem(kind.model_config, "env_file", tmp_path / ".env")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TIMEZONE", "Mars/Olympus", "TIMEZONE: invalid timezone: Mars/Olympus"),
        ("TIMEZONE", "../etc/passwd", "TIMEZONE: "),
        ("PORT", "many", "PORT: Input should be a valid integer"),
        ("PORT", "70000", "PORT: Input should be less than or equal to 65535"),
        ("SESSION_DAYS", "0", "SESSION_DAYS: "),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL: Value error, write it like sqlite:////srv/tool.db"),
        ("DATABASE_URL", "mysql://db/tool", "DATABASE_URL: Value error, write it like sqlite:////srv/tool.db"),
        ("DATABASE_URL", "sqlite://", "DATABASE_URL: Value error, write it like sqlite:////srv/tool.db, a file"),
        ("ZONES", "a,b", 'error parsing value for field "zones"'),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError) as caught:
        load(Own)
    assert str(caught.value).startswith("settings are wrong (environment or .env):")
    assert said in str(caught.value)


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("TIMEZONE", "Mars")
    with pytest.raises(UserError, match=r"(?s)PORT: .*TIMEZONE: "):
        load()


def test_an_env_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"TOOL_NAME=D\xfcnen\n")
    with pytest.raises(UserError, match=r"(?s)\.env.*UTF-8"):
        load(Own)


def test_an_error_does_not_repeat_the_value_of_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "nonsense:hunter2hunter2")
    with pytest.raises(UserError) as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_settings_come_from_the_env_file_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=9000\nHOST=0.0.0.0\nUNKNOWN=1\nTIMEZONE=\n")
    monkeypatch.setenv("PORT", "9100")
    found = load()
    assert (found.port, found.host, str(found.timezone)) == (9100, "0.0.0.0", "UTC")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", f"sqlite:///{PROJECT / 'data' / 'app.db'}"),
        ("postgres://db/tool", "postgresql://db/tool"),
        ("postgresql+psycopg://db/tool", "postgresql+psycopg://db/tool"),
        ("sqlite:////var/tool.db", "sqlite:////var/tool.db"),
    ],
    ids=["none", "heroku's", "postgresql", "sqlite"],
)
def test_the_database_url_is_sqlalchemys(monkeypatch: pytest.MonkeyPatch, given: str, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    assert load().database == url


@pytest.mark.parametrize(
    ("given", "folder"),
    [("/srv/data", Path("/srv/data")), ("elsewhere", PROJECT / "elsewhere"), ("", PROJECT / "data")],
)
def test_a_relative_data_folder_is_the_projects(monkeypatch: pytest.MonkeyPatch, given: str, folder: Path) -> None:
    monkeypatch.setenv("DATA_DIR", given)
    assert load().data_dir == folder


def test_the_base_url_loses_its_slash_or_is_made_of_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().url == "http://127.0.0.1:8000"
    monkeypatch.setenv("HOST", "0.0.0.0")
    assert load().url == "http://localhost:8000"
    monkeypatch.setenv("HOST", "::1")
    assert load().url == "http://[::1]:8000"
    monkeypatch.setenv("BASE_URL", "https://tool.example.com/")
    assert load().url == "https://tool.example.com"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[project]\nname = "my-tool"', "folder"),
        ('[project]\nname = "my-tool"\n[tool.pyops]\ntitle = "My tool"', "My tool"),
        ("[broken", "folder"),
        (None, "folder"),
    ],
    ids=["no title", "title", "broken", "no file"],
)
def test_a_tool_is_called_what_pyproject_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "pyproject.toml").write_text(text) if text is not None else None
    monkeypatch.setattr(settings, "PROJECT", tmp_path / "folder")
    assert load().tool_name == name
