"""Settings: typed, from the environment or `.env`, read once at start."""

import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from .errors import UserError
from .marks import Role

PROJECT = Path(__file__).resolve().parent.parent
DEVELOPMENT = "development"  # where an error's text is shown to who is signed in
InProject = Annotated[Path, AfterValidator(lambda path: PROJECT / path)]
_SECRET = re.compile("secret|password|token|key|credential|webhook")
_PASSWORD = re.compile(rf"""((?:{_SECRET.pattern})\w*['"]?\s*[:=]\s*['"]?|://[^/@:\s]*:)[^'",)}}@&\s]+""")


def _project_name() -> str:
    """The title in pyproject.toml, else the folder's name."""
    with suppress(OSError, tomllib.TOMLDecodeError, KeyError):
        return str(tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pyops"]["title"])
    return PROJECT.name


class Channel(BaseModel):
    """A place that messages go to, as Apprise writes it: mailtos://…, slack://…, json://…."""

    name: str
    url: SecretStr
    only_critical: bool = False


class Settings(BaseSettings):
    """What can be set from outside. A project adds its own in `app/settings.py`."""

    model_config = SettingsConfigDict(env_file=PROJECT / ".env", extra="ignore", env_ignore_empty=True)

    tool_name: str = Field(default_factory=_project_name, description="What the tool calls itself.")
    environment: str = Field(DEVELOPMENT, description="Shown as a badge; in development errors are shown, too.")
    data_dir: InProject = Field(PROJECT / "data", description="Database, secret key and backups live here.")
    database_url: str = Field("", description="Empty: SQLite in the data folder.")
    base_url: str = Field("", description="How people reach the tool, as in https://tool.example.com.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    trusted_proxies: str = Field("127.0.0.1", description="Proxies whose X-Forwarded-* headers count.")
    proxy_user_header: str = Field("", description="Names who is signed in; counts from TRUSTED_PROXIES only.")
    proxy_groups_header: str = Field("", description="Names their groups, with commas.")
    proxy_roles: dict[str, Role] = Field({}, description="The role that a group gives, as JSON; * is everybody.")
    notify: list[Channel] = Field([], description="Who hears of findings, as JSON; see the guide.")
    timezone: ZoneInfo = Field(ZoneInfo("UTC"), description="In which cron expressions are read, as in Europe/Paris.")
    session_days: int = Field(14, ge=1, description="How long a sign-in lasts without a visit.")
    runs_kept_days: int = Field(90, ge=1, description="How long runs and logs are kept; a job's last 50 stay.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto: text on a terminal.")

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        url = url.replace("postgres://", "postgresql://", 1)  # as Heroku writes it
        with suppress(ArgumentError, ValueError):  # whose text repeats the URL, password and all
            parts = make_url(url or "postgresql://")
            is_file = parts.get_backend_name() == "sqlite" and parts.database not in (None, "", ":memory:")
            if is_file or parts.get_backend_name() == "postgresql":
                return url
        raise ValueError("write it like sqlite:////srv/tool.db, a file, or postgresql://user@host/name")

    @property
    def url(self) -> str:
        """Where people reach the tool, without a slash at the end."""
        host = "localhost" if self.host in ("0.0.0.0", "::") else self.host
        return self.base_url.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def database(self) -> str:
        """The database's URL in SQLAlchemy's form."""
        return self.database_url or f"sqlite:///{self.data_dir / 'app.db'}"


def listing(configured: Settings) -> list[dict[str, str]]:
    """Every setting for people: its name, its value with secrets masked, where that comes from, what it is for."""
    kind = type(configured)
    places = {"environment": EnvSettingsSource(kind)(), ".env": DotEnvSettingsSource(kind)()}
    rows = []
    for name, field in kind.model_fields.items():
        source = next((place for place, found in places.items() if name in found), "default")
        value = str(getattr(configured, name))
        masked = "***" if value and _SECRET.search(name) else _PASSWORD.sub(r"\1***", value)
        rows.append({"name": name.upper(), "value": masked, "source": source, "description": field.description or ""})
    return rows


def load(kind: type[Settings] = Settings) -> Settings:
    """The settings of this process; UserError names each wrong one and what it is for."""
    try:
        return kind()
    except ValueError as error:  # also pydantic's for a list that is no JSON, and for a file that is not UTF-8
        each = error.errors() if isinstance(error, ValidationError) else []
        wrong = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in each] or [f"{error}; use JSON in UTF-8"]
        raise UserError("\n  ".join(["settings are wrong (environment or .env):", *wrong])) from error
