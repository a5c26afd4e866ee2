"""Why an account could not be read: the reasons told apart, what each registrar calls them, what to do."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from core.errors import UserError

Reason = Literal[
    "settings",
    "unreachable",
    "internal",
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

PASSING: tuple[Reason, ...] = ("unreachable", "rate limited", "their fault")  # they say nothing about the credentials
HOPELESS: tuple[Reason, ...] = (*PASSING, "internal", "wrong key")  # so is the next request
BY_STATUS: Reasons = {401: "wrong key", 402: "not entitled", 403: "not entitled"}
BY_FAILURE: Mapping[str, Reason] = {
    "private": "internal",
    "too large": "unexpected answer",
    "unreadable": "unexpected answer",
}
WORDS: Mapping[Reason, str] = {  # in this order: what is said of an address often says "not allowed" too
    "rate limited": r"rate.?limit|too many|quota exceeded|throttl|limit exceeded|slow down"
    r"|one (call|request) at a time",
    "address not allowed": r"\bIP(v4|v6)?\b|white.?list|allow.?list|from location|(client|remote|source) address",
    "wrong key": r"(invalid|wrong|incorrect|bad|unknown|missing|expired|revoked|inactive).{0,24}"
    r"(key|token|credential|signature|secret|password|login|user)\b"
    r"|(key|token|credential|signature|secret|password|login)s?( \w+)? (is|are|was|has)( \w+)? "
    r"(invalid|wrong|incorrect|not valid|expired|revoked|inactive|unknown|missing)"
    r"|authenticat|not authori[sz]ed|unauthori[sz]ed|login failed|could not verify",
    "not entitled": r"permission|denied|forbidden|not (entitled|granted|permitted|enabled)|not been granted"
    r"|subscription|(?<!method )not allowed",
    "their fault": r"internal.{0,8}error|try again|maintenance|temporar|unavailable|not responding|busy",
}
ADVICE: Advice = {
    "unreachable": "check the network and the base URL",
    "internal": "with SOURCES_INTERNAL=true servers on your own network are asked, too",
    "wrong key": "copy the credentials again from the registrar's site",
    "not entitled": "the credentials are right, but the account may not use the API; ask the registrar",
    "address not allowed": "let the registrar allow the address that this machine has on the internet",
    "rate limited": "wait some minutes, and see what else uses this account's API",
    "their fault": "nothing to do here but to try again later",
    "refused": "look the code up in the registrar's documentation",
    "unexpected answer": "check the base URL; if it is right, the registrar has changed its API",
}
CODE_KEYS = ("code", "errorCode", "__type", "ResponseCode", "SuccessCode")
WORD_KEYS = (
    "message",
    "Message",
    "msg",
    "detail",
    "details",
    "title",
    "error",
    "Error",
    "error_description",
    "description",
)
NESTED_KEYS = ("errors", "error", "Errors", "Response", "ResponseHeader", "reply")


class SourceError(UserError):
    """An account that could not be read: what happened and what to do, in one line without secrets."""

    def __init__(self, message: str, *, reason: Reason, status: int | None = None) -> None:
        """Keep the sentence for people, and for code the reason and the HTTP status where one came."""
        super().__init__(message)
        self.reason, self.status = reason, status


def by_words(said: str) -> Reason | None:
    """The reason that a registrar's sentence gives, for those whose codes say nothing; None when it gives none."""
    return next((reason for reason, words in WORDS.items() if re.search(words, said, re.IGNORECASE)), None)


def own_words(body: Any) -> tuple[list[str], str]:
    """What a refusal says of itself: its codes, and codes and sentences as one text."""
    codes, said = _walk(body, depth=3)
    return codes, ": ".join(dict.fromkeys([*codes, *said]))


def _walk(body: Any, depth: int) -> tuple[list[str], list[str]]:
    if isinstance(body, list):
        body = body[0] if body else None
    if isinstance(body, str):
        return [], [body]
    if not isinstance(body, dict) or not depth:
        return [], []
    codes = [str(body[key]).rpartition("#")[2].partition(":")[0] for key in CODE_KEYS if _is_word(body.get(key))]
    said = [str(body[key]) for key in WORD_KEYS if _is_word(body.get(key))]
    for key in NESTED_KEYS:
        if isinstance(body.get(key), dict | list):
            more_codes, more_said = _walk(body[key], depth - 1)
            codes, said = codes + more_codes, said + more_said
    return codes, said


def _is_word(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and str(value) != ""
