"""A domain name as its key, in A-labels (RFC 5890), and as people write it."""

import re

import idna

LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
LONGEST_NAME = 253  # characters, RFC 1035


def domain_name(text: object) -> str:
    """The name as its key: A-labels in lower case, no trailing dot; ValueError when it is no domain name."""
    name = str(text if text is not None else "").strip().rstrip(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError:
            raise ValueError(f"{name!r} is no domain name") from None
    labels = name.split(".")
    if len(labels) < 2 or len(name) > LONGEST_NAME or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{name!r} is no domain name")
    return name


def shown_name(name: str) -> str:
    """The name in U-labels; the name itself where it does not decode."""
    try:
        return idna.decode(name) if "xn--" in name else name
    except idna.IDNAError:
        return name
