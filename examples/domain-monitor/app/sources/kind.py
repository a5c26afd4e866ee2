"""A registrar that can be read: what it needs to know, where it answers, and what reads it."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.domains import LABEL
from app.sources.account import Account
from app.sources.failures import SourceError
from app.sources.listing import Listing
from app.sources.reading import Enough
from core.http import LOOPBACK


@dataclass(frozen=True)
class CredentialField:
    """One thing a registrar wants to know about its account."""

    name: str
    label: str
    secret: bool
    help: str
    required: bool = True
    is_ascii: bool = True  # it goes into a header or an address


@dataclass(frozen=True)
class Kind:
    """A registrar that can be read; without a `base_url` the server is that of the field `url`."""

    name: str
    label: str
    fields: tuple[CredentialField, ...]
    base_url: str
    read: Callable[[Account], Listing]

    def account(
        self,
        credentials: Mapping[str, str],
        *,
        base_url: str = "",
        timeout_s: float = 30.0,
        attempts: int = 4,
        sleep: Callable[[float], None] = time.sleep,
        known: Mapping[str, datetime | None] | None = None,
        allow_internal: bool = False,
    ) -> Account:
        """Check what was entered; a SourceError names what is missing, unknown or unusable, never its value.

        `base_url` puts another server in the registrar's place: scheme, host and port; a path is not used. A server
        that somebody typed in must be on the open internet, unless it is this machine or `allow_internal`.
        """
        cleaned = self._cleaned(credentials)
        own = self.base_url or self._server(cleaned["url"])
        server = self._server(base_url) if base_url else own
        return Account(
            label=self.label,
            base_url=server,
            credentials=cleaned,
            secrets=tuple(cleaned[field.name] for field in self.fields if field.secret and field.name in cleaned),
            timeout_s=timeout_s,
            attempts=attempts,
            sleep=sleep,
            known=known or {},
            public_only=server != self.base_url and urlsplit(server).hostname not in LOOPBACK and not allow_internal,
        )

    def try_out(self, account: Account) -> None:
        """Read no more than the first page; a SourceError says why that does not work."""
        with suppress(Enough):
            self.read(replace(account, is_trial=True))

    def _cleaned(self, credentials: Mapping[str, str]) -> dict[str, str]:
        known = {field.name for field in self.fields}
        cleaned = {name: stripped for name, value in credentials.items() if (stripped := value.strip())}
        if unknown := sorted(credentials.keys() - known):
            raise self._mistake(f"has no field {', '.join(unknown)}; it has {', '.join(f.name for f in self.fields)}")
        if missing := [field.name for field in self.fields if field.required and field.name not in cleaned]:
            raise self._mistake(f"needs {', '.join(missing)}")
        for field in self.fields:
            value = cleaned.get(field.name, "")
            if not value.isprintable() or (field.is_ascii and not value.isascii()):
                raise self._mistake(
                    f"cannot use the {field.name} as entered: it holds a character that none has; copy it again"
                )
        return cleaned

    def _server(self, base_url: str) -> str:
        try:
            url = urlsplit(base_url.strip())
            host, port = url.hostname, url.port
        except ValueError:
            host, port = None, None
        if not host or not _is_host(host) or url.scheme not in ("http", "https"):
            raise self._mistake("needs a base URL like https://host or http://127.0.0.1:8080")
        if url.scheme == "http" and host not in LOOPBACK:
            raise self._mistake("is not asked over http, which would show the credentials to everybody; use https")
        return f"{url.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"

    def _mistake(self, what: str) -> SourceError:
        return SourceError(f"{self.label}: settings: it {what}", reason="settings")


def _is_host(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        labels = text.split(".")
        return not labels[-1].isdecimal() and all(LABEL.fullmatch(label) for label in labels)
