"""Which server knows which suffix: IANA's list (RFC 9224), shipped as it was read last and refreshed once a week.

`dns.json` beside this file is IANA's https://data.iana.org/rdap/dns.json of the day that it names in `publication`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ADDRESS = "https://data.iana.org"
PATH = "/rdap/dns.json"
LEAST_SUFFIXES = 800  # there are some 1,200; a list with fewer broke off


@dataclass(frozen=True)
class Bootstrap:
    """The base address for each suffix, and when IANA published that."""

    publication: str
    servers: Mapping[str, str]

    def server_of(self, name: str) -> str | None:
        """The base address for a name, by its longest suffix in the list; None for a suffix without RDAP."""
        labels = name.split(".")
        return next((s for start in range(1, len(labels)) if (s := self.servers.get(".".join(labels[start:])))), None)

    def and_also(self, more: Mapping[str, str]) -> "Bootstrap":
        """The same with servers that IANA does not list, or that are to be asked instead."""
        return Bootstrap(self.publication, {**self.servers, **{k.lower(): based(url) for k, url in more.items()}})


def read(text: str | bytes, *, least: int = LEAST_SUFFIXES) -> Bootstrap:
    """IANA's list; ValueError when it is malformed or far too short, so that the one before it stays."""
    try:
        found: Any = json.loads(text)
        servers = {
            suffix.lower().strip("."): address
            for suffixes, addresses in found["services"]
            if (address := _best(addresses))
            for suffix in suffixes
        }
        publication = str(found["publication"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it is no list of RDAP servers ({type(error).__name__})") from None
    if len(servers) < least:
        raise ValueError(f"it has only {len(servers):,} suffixes")
    return Bootstrap(publication, servers)


@cache
def shipped() -> Bootstrap:
    """The list that came with the monitor."""
    return read((Path(__file__).parent / "dns.json").read_bytes())


def _best(addresses: list[str]) -> str:
    """The first address with TLS, else the first; it ends with one slash."""
    web = [each for each in addresses if each.startswith(("https://", "http://"))]
    best = next((each for each in web if each.startswith("https:")), web[0] if web else "")
    return based(best) if best else ""


def based(address: str) -> str:
    """A base address with the one slash at its end that a path is joined to."""
    return f"{address.rstrip('/')}/"
