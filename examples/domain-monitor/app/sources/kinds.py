"""The registrars that can be read, by name; a new one is a file of its own and its line here."""

from collections.abc import Mapping

from app.sources.failures import SourceError
from app.sources.kind import Kind
from app.sources.registrars import (
    cloudflare,
    dnsimple,
    dynadot,
    gandi,
    godaddy,
    inwx,
    ionos,
    json_list,
    namecheap,
    namecom,
    namesilo,
    ovh,
    porkbun,
    route53,
    spaceship,
)

KINDS: Mapping[str, Kind] = {
    module.KIND.name: module.KIND
    for module in (
        godaddy,
        cloudflare,
        namecheap,
        gandi,
        porkbun,
        route53,
        namecom,
        ovh,
        dynadot,
        spaceship,
        inwx,
        ionos,
        namesilo,
        dnsimple,
        json_list,
    )
}


def kind_of(name: str) -> Kind:
    """The kind of that name; a SourceError that lists the others when there is none."""
    if name not in KINDS:
        raise SourceError(f"{name!r} is no kind of source; there are {', '.join(KINDS)}", reason="settings")
    return KINDS[name]
