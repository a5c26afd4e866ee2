"""How people write a domain name whose key is in A-labels (RFC 5890)."""

import idna


def shown_name(name: str) -> str:
    """The name in U-labels; the name itself where it does not decode."""
    try:
        return idna.decode(name) if "xn--" in name else name
    except idna.IDNAError:
        return name
