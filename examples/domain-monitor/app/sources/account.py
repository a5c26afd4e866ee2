"""One registrar account: its credentials, the connection made with them, and its failures in words."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit
from xml.etree import ElementTree

from core.errors import UserError
from core.http import LOOPBACK, Client, HttpError, Params, Reply

QUOTED = 200  # characters of a registrar's own words that we pass on

Reason = Literal[
    "settings",
    "unreachable",
    "wrong key",
    "not entitled",
    "address not allowed",
    "rate limited",
    "their fault",
    "refused",
    "unexpected answer",
]
Reasons = Mapping[int | str, Reason]
Advice = Mapping[Reason, str]

BY_STATUS: Reasons = {401: "wrong key", 403: "not entitled", 429: "rate limited"}
BY_FAILURE: Mapping[str, Reason] = {"too large": "unexpected answer", "unreadable": "unexpected answer"}
ADVICE: Advice = {
    "unreachable": "check the network and the base URL",
    "wrong key": "copy the credentials again from the registrar's site",
    "not entitled": "the credentials are right, but the account may not use the API; ask the registrar",
    "address not allowed": "let the registrar allow the address that this machine has on the internet",
    "rate limited": "wait some minutes, and see what else uses this account's API",
    "their fault": "nothing to do here but to try again later",
    "refused": "look the code up in the registrar's documentation",
    "unexpected answer": "check the base URL; if it is right, the registrar has changed its API",
}


class SourceError(UserError):
    """An account that could not be read: what happened and what to do, in one line without secrets."""

    def __init__(self, message: str, *, reason: Reason, status: int | None = None) -> None:
        """Keep the sentence for people, and for code the reason and the HTTP status where one came."""
        super().__init__(message)
        self.reason, self.status = reason, status


@dataclass(frozen=True, kw_only=True)
class Account:
    """The checked credentials of one account and where its registrar answers."""

    label: str
    base_url: str
    credentials: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    timeout_s: float = 30.0
    attempts: int = 4
    sleep: Callable[[float], None] = time.sleep

    def __getitem__(self, name: str) -> str:
        """One of the credentials."""
        return self.credentials[name]

    @property
    def is_stand_in(self) -> bool:
        """Whether a server on this machine answers, which has none of the registrar's limits."""
        return urlsplit(self.base_url).hostname in LOOPBACK

    def connect(
        self,
        *,
        per_minute: int,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        busy: Callable[[Reply], float | None] = lambda reply: None,
        reasons: Reasons | None = None,
        advice: Advice | None = None,
    ) -> "Api":
        """Prepare the connection; `reasons` explains codes and statuses, `advice` is the registrar's own."""
        client = Client(
            self.base_url,
            headers=headers or {},
            auth=auth,
            secrets=self.secrets,
            timeout_s=self.timeout_s,
            attempts=self.attempts,
            min_interval_s=0.0 if self.is_stand_in else 60 / per_minute,
            busy=busy,
            sleep=self.sleep,
        )
        return Api(self.label, client, {**BY_STATUS, **(reasons or {})}, {**ADVICE, **(advice or {})})


class Api:
    """The connection to one account: it answers with what was asked for, or raises a SourceError."""

    def __init__(self, label: str, client: Client, reasons: Reasons, advice: Advice) -> None:
        """Take the client and the registrar's way to say what is wrong."""
        self._label, self._client, self._reasons, self._advice = label, client, reasons, advice

    def __enter__(self) -> "Api":
        """Use the connection as a block that closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.__exit__()

    def json(self, path: str, *, params: Params = None) -> Any:
        """Ask for JSON; its content type is not looked at."""
        try:
            reply = self._client.get(path, params=params)
            if reply.status == 200:
                return reply.json()
        except HttpError as error:
            raise self._unusable(error) from None
        raise self._refusal(reply)

    def xml(self, path: str, *, data: Params) -> ElementTree.Element:
        """Send a form and get XML; a document type or an entity is refused before anything expands it."""
        try:
            reply = self._client.post(path, data=data)
        except HttpError as error:
            raise self._unusable(error) from None
        if reply.status != 200:
            raise self._refusal(reply)
        text = reply.text  # not the bytes, where another encoding could hide a declaration
        if re.search("<!(doctype|entity)", text, re.IGNORECASE):
            raise self.error("unexpected answer", "a web page or an unsafe document where XML was expected")
        try:
            return ElementTree.fromstring(text)
        except ElementTree.ParseError:
            raise self.error("unexpected answer", "XML that breaks off or is malformed") from None

    def rows(self, found: Any) -> list[dict[str, Any]]:
        """A JSON list as rows; what is no object becomes an empty row, which the reading skips and notes."""
        if not isinstance(found, list):
            raise self.error("unexpected answer", "no list of domains in the answer")
        return [row if isinstance(row, dict) else {} for row in found]

    def table(self, found: Any) -> dict[str, Any]:
        """A JSON object, or the failure that there is none."""
        if not isinstance(found, dict):
            raise self.error("unexpected answer", "no object in the answer")
        return found

    def error(self, reason: Reason, said: str, *, status: int | None = None) -> SourceError:
        """A failure in one line: the reason, what was said, what to do."""
        visible = "".join(c if c.isprintable() else " " for c in self._client.mask(said))
        said = " ".join(visible.split())[:QUOTED]
        sentence = f"{self._label}: {reason} ({said}); {self._advice[reason]}"
        return SourceError(sentence, reason=reason, status=status)

    def coded(self, code: str, said: str) -> SourceError:
        """The failure that one of the registrar's own codes stands for."""
        return self.error(self._reasons.get(code, "refused"), f"{code}: {said}")

    def _unusable(self, error: HttpError) -> SourceError:
        return self.error(BY_FAILURE.get(error.reason, "unreachable"), str(error))

    def _refusal(self, reply: Reply) -> SourceError:
        code, said = _own_words(reply)
        otherwise: Reason = "their fault" if reply.status >= 500 else "refused" if said else "unexpected answer"
        reason = self._reasons.get(code) or self._reasons.get(reply.status) or otherwise
        return self.error(reason, f"{reply.status} from {reply.url_safe} {said}", status=reply.status)


def _own_words(reply: Reply) -> tuple[str, str]:
    try:
        body = reply.json()
    except HttpError:
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    words = [str(body[key]) for key in ("code", "message", "details") if body.get(key)]
    return str(body.get("code") or ""), ": ".join(words)
