"""One registrar account: its credentials, the connection made with them, and its failures in words."""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from app.sources.failures import (
    ADVICE,
    BY_FAILURE,
    BY_STATUS,
    Advice,
    Reason,
    Reasons,
    SourceError,
    by_words,
    own_words,
)
from app.sources.reading import Reading
from app.sources.signing import Sign, signed
from core.http import LOOPBACK, Client, HttpError, Params, Reply

QUOTED = 200  # characters of a registrar's own words that we pass on
EPOCH_FROM = 1_000_000_000  # a smaller "reset" is seconds from now, a larger one since 1970


@dataclass(frozen=True, kw_only=True)
class Account:
    """The checked credentials of one account and where its registrar answers.

    `known` holds its names and when they expire, as far as that is known from before; `is_trial` wants to know
    only whether the account can be read. With `public_only` its server is refused when it is not on the open internet.
    """

    label: str
    base_url: str
    credentials: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    timeout_s: float = 30.0
    attempts: int = 4
    sleep: Callable[[float], None] = time.sleep
    known: Mapping[str, datetime | None] = field(default_factory=dict, repr=False)
    is_trial: bool = False
    public_only: bool = False

    def __getitem__(self, name: str) -> str:
        """One of the credentials; "" for one that may be left out."""
        return self.credentials.get(name, "")

    @property
    def is_stand_in(self) -> bool:
        """Whether a server on this machine answers, which has none of the registrar's limits."""
        return urlsplit(self.base_url).hostname in LOOPBACK

    def reading(self) -> Reading:
        """An empty list to read this account into."""
        return Reading(is_trial=self.is_trial)

    def connect(
        self,
        *,
        per_minute: int,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        sign: Sign | None = None,
        busy: Callable[[Reply], float | None] | None = None,
        reasons: Reasons | None = None,
        advice: Advice | None = None,
    ) -> "Api":
        """Prepare the connection; `reasons` explains codes and statuses, `advice` is the registrar's own.

        `sign` makes the headers of each request from its method, address and body. `busy` is for registrars that
        say "come back later" in a way of their own.
        """
        client = Client(
            self.base_url,
            headers=headers or {},
            auth=signed(sign) if sign else auth,
            public_only=self.public_only,
            secrets=self.secrets,
            timeout_s=self.timeout_s,
            attempts=self.attempts,
            min_interval_s=0.0 if self.is_stand_in else 60 / per_minute,
            busy=busy or seconds_to_wait,
            sleep=self.sleep,
        )
        return Api(self.label, client, reasons or {}, {**ADVICE, **(advice or {})})


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

    def reply(self, path: str, *, params: Params = None, data: Params = None, json: Any = None) -> Reply:
        """Ask, by POST when a form or JSON is sent; a SourceError for any status but 200."""
        try:
            if data is None and json is None:
                reply = self._client.get(path, params=params)
            else:
                reply = self._client.post(path, params=params, data=data, json=json)
        except HttpError as error:
            raise self._unusable(error) from None
        if reply.status != 200:
            raise self._refusal(reply)
        return reply

    def json(self, path: str, *, params: Params = None, json: Any = None) -> Any:
        """Ask for JSON; its content type is not looked at."""
        return self.json_of(self.reply(path, params=params, json=json))

    def json_of(self, reply: Reply) -> Any:
        """The JSON in a reply."""
        try:
            return reply.json()
        except HttpError as error:
            raise self._unusable(error) from None

    def xml(self, path: str, *, data: Params) -> ElementTree.Element:
        """Send a form and get XML."""
        return self.xml_of(self.reply(path, data=data))

    def xml_of(self, reply: Reply) -> ElementTree.Element:
        """The XML in a reply; a document type or an entity is refused before anything expands it."""
        text = reply.text  # not the bytes, where another encoding could hide a declaration
        if re.search("<!(doctype|entity)", text, re.IGNORECASE):
            raise self.error("unexpected answer", "a web page or an unsafe document where XML was expected")
        try:
            return ElementTree.fromstring(text)
        except ElementTree.ParseError:
            raise self.error("unexpected answer", "XML that breaks off or is malformed") from None

    def either(self, reply: Reply) -> dict[str, Any]:
        """The object in a reply that may be JSON or, from registrars that know both, XML in the same shape."""
        if not reply.text.lstrip().startswith("<"):
            return self.table(self.json_of(reply))
        root = self.xml_of(reply)
        if root.tag.lower() == "html":
            raise self.error("unexpected answer", f"{reply.url_safe} answered with an HTML page")
        return {_tag(root): plain(root)}

    def rows(self, found: Any) -> list[dict[str, Any]]:
        """A JSON list as rows; what is no object becomes an empty row, which the reading skips and notes."""
        if not isinstance(found, list):
            raise self.error("unexpected answer", "no list of domains in the answer")
        return [row if isinstance(row, dict) else {} for row in found]

    def rows_in(self, answer: Any, key: str, *, announced: int | None = None) -> list[dict[str, Any]]:
        """The rows below a key; null is an empty list, and so is an absent one where none is announced."""
        table = self.table(answer)
        found = table.get(key)
        is_empty = found is None and (key in table or announced == 0)
        return [] if is_empty else self.rows(found)

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

    def coded(self, code: object, said: str) -> SourceError:
        """The failure that one of the registrar's own codes stands for, else its words."""
        reason = self._reasons.get(str(code)) or by_words(said) or "refused"
        return self.error(reason, f"{code}: {said}" if code else said)

    def refused(self, answer: object) -> SourceError:
        """The failure that an answer with status 200 tells."""
        codes, said = own_words(answer)
        known = next((code for code in codes if code in self._reasons), "")
        return self.coded(known, said or "it does not say why")

    def _unusable(self, error: HttpError) -> SourceError:
        return self.error(BY_FAILURE.get(error.reason, "unreachable"), str(error))

    def _refusal(self, reply: Reply) -> SourceError:
        codes: list[str] = []
        said = ""
        with suppress(HttpError):
            codes, said = own_words(reply.json())
        otherwise: Reason = "refused" if said else "unexpected answer"
        reason = (
            next((self._reasons[code] for code in codes if code in self._reasons), None)
            or self._reasons.get(reply.status)
            or ("rate limited" if reply.status == 429 else "their fault" if reply.status >= 500 else by_words(said))
            or BY_STATUS.get(reply.status, otherwise)
        )
        return self.error(reason, f"{reply.status} from {reply.url_safe} {said}", status=reply.status)


def seconds_to_wait(reply: Reply) -> float | None:
    """The wait that a 429 asks for in its body or in a header of its own; None leaves it to Retry-After or us."""
    if reply.status != 429 or "Retry-After" in reply.headers:
        return None
    asked = [reply.headers.get(name) for name in ("X-RateLimit-Reset", "RateLimit-Reset")]
    with suppress(HttpError, AttributeError):
        body = reply.json()
        asked = [body.get("retryAfterSec"), body.get("retry_after"), *asked]
    for each in asked:
        with suppress(TypeError, ValueError):
            seconds = float(each)  # type: ignore[arg-type]
            return max(0.0, seconds - time.time()) if seconds >= EPOCH_FROM else seconds
    return None


def plain(element: ElementTree.Element) -> Any:
    """XML as JSON would say it: attributes and children by name, repeated ones as a list, else the text."""
    found: dict[str, Any] = dict(element.attrib)
    for child in element:
        value = plain(child)
        if (tag := _tag(child)) not in found:
            found[tag] = value
        elif isinstance(found[tag], list):
            found[tag].append(value)
        else:
            found[tag] = [found[tag], value]
    text = (element.text or "").strip()
    if found and text:
        found["text"] = text
    return found or text


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
