"""The registrars that can be read: what each needs to know, where it answers, and what reads it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.sources import godaddy, namecheap, namecom
from app.sources.account import Account, SourceError
from app.sources.listing import LABEL, Listing
from core.http import LOOPBACK


@dataclass(frozen=True)
class CredentialField:
    """One thing a registrar wants to know about its account."""

    name: str
    label: str
    secret: bool
    help: str


@dataclass(frozen=True)
class Kind:
    """A registrar that can be read."""

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
    ) -> Account:
        """Check what was entered; a SourceError names what is missing, unknown or unusable, never its value.

        `base_url` puts another server in the registrar's place: scheme, host and port; a path is not used.
        """
        known = {field.name for field in self.fields}
        cleaned = {name: value.strip() for name, value in credentials.items()}
        if unknown := sorted(cleaned.keys() - known):
            raise self._mistake(f"has no field {', '.join(unknown)}; it has {', '.join(f.name for f in self.fields)}")
        if missing := [field.name for field in self.fields if not cleaned.get(field.name)]:
            raise self._mistake(f"needs {', '.join(missing)}")
        for name, value in cleaned.items():
            if not (value.isascii() and value.isprintable()):
                raise self._mistake(
                    f"cannot use the {name} as entered: it holds a character that none has; copy it again"
                )
        return Account(
            label=self.label,
            base_url=self._server(base_url) if base_url else self.base_url,
            credentials=cleaned,
            secrets=tuple(cleaned[field.name] for field in self.fields if field.secret),
            timeout_s=timeout_s,
            attempts=attempts,
            sleep=sleep,
        )

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


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="godaddy",
            label="GoDaddy",
            fields=(
                CredentialField("key", "Key", True, "A production key from developer.godaddy.com/keys"),
                CredentialField("secret", "Secret", True, "The secret shown once, when the key is made"),
            ),
            base_url="https://api.godaddy.com",
            read=godaddy.read,
        ),
        Kind(
            name="namecheap",
            label="Namecheap",
            fields=(
                CredentialField("api_user", "API user", False, "The account's user name, under Profile > Tools"),
                CredentialField("api_key", "API key", True, "Shown there once API access is switched on"),
                CredentialField("username", "User name", False, "Whose domains: mostly the API user again"),
                CredentialField("client_ip", "Client IP", False, "This machine's public IPv4, as allowed there"),
            ),
            base_url="https://api.namecheap.com",
            read=namecheap.read,
        ),
        Kind(
            name="namecom",
            label="Name.com",
            fields=(
                CredentialField("username", "User name", False, "As shown beside the token"),
                CredentialField("token", "Token", True, "An API token made in the account's settings"),
            ),
            base_url="https://api.name.com",
            read=namecom.read,
        ),
    )
}


def kind_of(name: str) -> Kind:
    """The kind of that name; a SourceError that lists the others when there is none."""
    if name not in KINDS:
        raise SourceError(f"{name!r} is no kind of source; there are {', '.join(KINDS)}", reason="settings")
    return KINDS[name]
