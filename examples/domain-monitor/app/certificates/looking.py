"""Looking at the certificates that hosts show: hundreds at a time, as a browser would, and never into our own network.

A host that a browser would accept takes one handshake, verified. Of any other the certificate is fetched by a second
one without verification, which is used for nothing else.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from core import UserError
from core.http import HttpError, is_public

from .models import State, split

IN_FLIGHT = 200  # handshakes at a time
LOOKUPS = 64  # threads that ask the DNS
MOST_ADDRESSES = 2  # of one host that are tried
MOST_NAMES = 200  # of one certificate that are kept
LONGEST_NAME = 260  # characters of one of them
DAY_S = 86_400

# What the reader of certificates raises for those that OpenSSL still lets through.
MALFORMED = (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
# OpenSSL's verify codes in words; {names} are the certificate's, {ends} is when it ends.
PROBLEMS = {
    9: "it is not valid yet",
    10: "it expired on {ends}",
    18: "it is self-signed",
    19: "its chain ends at an authority that is not trusted here",
    20: "no trusted authority signed it, or the server leaves out an intermediate certificate",
    21: "no trusted authority signed it, or the server leaves out an intermediate certificate",
    23: "it was revoked",
    62: "it is for {names}, not for {host}",
    64: "it is for {names}, not for {host}",
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a host showed; `problem` says why a browser would not accept it, or why there is nothing to accept."""

    host: str
    state: State
    problem: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    lifetime_days: int | None = None
    issuer: str | None = None
    names: tuple[str, ...] | None = None


def resolve(name: str, port: int) -> list[str]:
    """A host's addresses, the best first; an OSError when it has none."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def browsers() -> ssl.SSLContext:
    """What a browser on this machine accepts: the system's authorities, or those that SSL_CERT_FILE names."""
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and any(Path(paths.capath).iterdir())):
        raise UserError("this machine knows no authorities to trust; install ca-certificates, or set SSL_CERT_FILE")
    return strict(ssl.create_default_context())


def strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same for every Python: names count only where browsers read them, and form only as much as it does there."""
    context.hostname_checks_common_name = False
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@dataclass(frozen=True)
class Looker:
    """Looks at hosts; `trust` is what is accepted. Internal addresses are refused unless `allow_internal`."""

    trust: ssl.SSLContext
    allow_internal: bool = False
    timeout_s: float = 10.0
    resolve: Callable[[str, int], list[str]] = resolve

    def look_at(self, hosts: Sequence[str]) -> list[Shown]:
        """What these hosts show; one is left out when the DNS could not say anything about it now."""
        return asyncio.run(self._look_at_all(hosts))

    async def _look_at_all(self, hosts: Sequence[str]) -> list[Shown]:
        slots = asyncio.Semaphore(IN_FLIGHT)
        with ThreadPoolExecutor(LOOKUPS) as pool:

            async def one(host: str) -> Shown | None:
                async with slots:
                    return await self._look(host, pool)

            return [shown for shown in await asyncio.gather(*map(one, hosts)) if shown]

    async def _look(self, host: str, pool: ThreadPoolExecutor) -> Shown | None:
        name, port = split(host)
        try:
            addresses = await asyncio.get_running_loop().run_in_executor(pool, self._addresses, name, port)
        except HttpError as error:
            return Shown(host=host, state="not looked at", problem=f"{error}; CERTIFICATES_INTERNAL would allow it")
        except (OSError, UnicodeError) as error:
            is_passing = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            return None if is_passing else Shown(host=host, state="no listener", problem="it has no address")
        why = ""
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await self._shown_by(host, address)
            except (OSError, TimeoutError) as error:
                why = "it did not answer in time" if isinstance(error, TimeoutError) else "nothing listens there"
        return Shown(host=host, state="no listener", problem=why)

    def _addresses(self, name: str, port: int) -> list[str]:
        """Where to connect to: the very addresses that were looked at, so that no second look-up leads elsewhere."""
        found = self.resolve(name, port)
        for address in [] if self.allow_internal else found:
            if not is_public(address):
                raise HttpError(f"{name} is {address}, which is not on the open internet", reason="private")
        return found

    async def _shown_by(self, host: str, address: str) -> Shown:
        """What a host shows at one address; an OSError or TimeoutError when nobody is there."""
        name, port = split(host)
        try:
            return described(host, await self._handshake(name, address, port, self.trust))
        except ssl.SSLCertVerificationError as error:
            with suppress(OSError):
                der = await self._handshake(name, address, port, _unverified())
                return described(host, der, code=error.verify_code, said=error.verify_message)
            why = f"a browser would not accept it: {error.verify_message}"
        except ssl.SSLError as error:
            why = f"it answers, but not with TLS as browsers speak it ({(error.reason or 'no reason').lower()})"
        except ConnectionRefusedError:
            raise
        except ConnectionError:
            why = "it breaks off the handshake"
        return Shown(host=host, state="not accepted", problem=why)

    async def _handshake(self, name: str, address: str, port: int, context: ssl.SSLContext) -> bytes:
        """The certificate that is shown, in DER; nothing else is said over the connection."""
        async with asyncio.timeout(self.timeout_s):
            _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
        try:
            der: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.transport.abort()  # a polite end would wait for the other side
        return der or b""


def described(host: str, der: bytes, *, code: int = 0, said: str = "") -> Shown:
    """A certificate in our words; `code` and `said` are OpenSSL's complaint, if it has one."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = tuple(_names(certificate))
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        issuer = _issuer(certificate.issuer)
    except MALFORMED as error:
        return Shown(host=host, state="not accepted", problem=f"the certificate is malformed: {visible(str(error))}")
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    problem = PROBLEMS.get(code, said).format(
        names=listed or "no name", host=split(host)[0], ends=f"{not_after:%Y-%m-%d}"
    )
    return Shown(
        host=host,
        state="not accepted" if code else "accepted",
        problem=problem,
        not_before=not_before,
        not_after=not_after,
        lifetime_days=round(((not_after - not_before).total_seconds() + 1) / DAY_S),  # the last second counts
        issuer=issuer,
        names=names[:MOST_NAMES],
    )


def visible(text: str) -> str:
    """What a stranger's certificate says, short and without characters that no database or page should hold."""
    return "".join(c if c.isprintable() else "?" for c in text[:LONGEST_NAME])


def _names(certificate: x509.Certificate) -> list[str]:
    with suppress(x509.ExtensionNotFound):
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = map(str, found.get_values_for_type(x509.IPAddress))
        return [*map(visible, found.get_values_for_type(x509.DNSName)), *addresses]
    return []


def _issuer(name: x509.Name) -> str:
    """Who issued it: the organisation, and which of its certificates."""
    parts = [name.get_attributes_for_oid(oid) for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)]
    said = [visible(str(part[0].value)) for part in parts if part]
    return f"{said[0]} ({said[1]})" if len(said) > 1 else said[0] if said else "nobody named"


@cache
def _unverified() -> ssl.SSLContext:
    """Reads any certificate; only for looking at it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
