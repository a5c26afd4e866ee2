"""Servers with certificates of our own authority, on the loopback address."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core import in_days

from .looking import Looker, strict

LOOPBACK = "127.0.0.1"


@dataclass
class Authority:
    """Signs certificates, and serves them each on a port of its own."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def name(self) -> x509.Name:
        """Whom its certificates name as their issuer."""
        return _name("Acme Trust", "Acme CA 1")

    @property
    def certificate(self) -> x509.Certificate:
        """Its own, signed by itself."""
        return self._built(self.name, self.name, self.key, in_days(-900), in_days(900)).sign(self.key, hashes.SHA256())

    def trust(self) -> ssl.SSLContext:
        """What accepts its certificates, and no others."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.certificate.public_bytes(serialization.Encoding.PEM).decode())
        return strict(context)

    def issue(self, names: list[str], *, begins: datetime, ends: datetime, self_signed: bool = False) -> Path:
        """A certificate and its key in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name("Acme", (names or ["nobody"])[0])
        built = self._built(subject, subject if self_signed else self.name, key, begins, ends)
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, names))), critical=False)
        signed = built.sign(key if self_signed else self.key, hashes.SHA256())
        file = self.folder / f"{signed.serial_number}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + private)
        return file

    def _built(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime
    ) -> x509.CertificateBuilder:
        is_authority = x509.BasicConstraints(ca=subject == self.name, path_length=None)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(is_authority, critical=True)
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that only the tests trust."""
    return Authority(tmp_path)


@pytest.fixture
def looker(authority: Authority) -> Looker:
    """Looks at this machine, whatever the host, and trusts that authority."""
    return Looker(authority.trust(), allow_internal=True, timeout_s=3, resolve=lambda name, port: [LOOPBACK])


@pytest.fixture
def serve() -> Iterator[Callable[[Path | None], int]]:
    """Serve a certificate on a free port, `serve(file)`; with None, something that speaks no TLS."""
    listeners: list[socket.socket] = []

    def start(file: Path | None) -> int:
        listener = socket.create_server((LOOPBACK, 0))
        listeners.append(listener)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if file:
            context.load_cert_chain(file)
        threading.Thread(target=_answer, args=(listener, context if file else None), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        return int(listener.getsockname()[1])


def _answer(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    with suppress(OSError):  # the listener is closed: the test is over
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_shake, args=(connection, context), daemon=True).start()


def _shake(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    with connection, suppress(OSError):
        if context is None:
            connection.recv(100)
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            return
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)


def _name(organisation: str, common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )
