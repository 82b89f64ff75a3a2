"""Who is who: an authority, a certificate for the server, and one for each node."""

from __future__ import annotations

import datetime
import os
import re
import ssl
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["SERVER", "certificate_names", "contexts", "make_certificates"]

SERVER = "skfedmtl-server"  #: the server's name, wherever it runs
_FILES = ("authority.pem", "certificate.pem", "key.pem")
_NODES = "nodes.txt"  #: names of the registered nodes, one a line, beside the server's own
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def contexts(folder: str | os.PathLike[str], *, server: bool) -> ssl.SSLContext:
    """What a party of this folder shows, and what it asks of the other end."""
    authority, certificate, key = (Path(folder) / name for name in _FILES)
    for file in (authority, certificate, key):
        if not file.is_file():
            raise FileNotFoundError(
                f"there is no {file}; certificates must name a folder of `skfedmtl certificates`."
            )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority)
    context.load_cert_chain(certificate, key)
    return context


def certificate_names(folder: str | os.PathLike[str]) -> list[str]:
    """The nodes that are registered with the server of this folder."""
    lines = (Path(folder) / _NODES).read_text(encoding="utf-8").splitlines()
    return sorted(line.strip() for line in lines if line.strip())


def make_certificates(
    folder: str | os.PathLike[str], nodes: Iterable[str], days: int
) -> list[Path]:
    """Write a folder for the server and one for each node; the authority's key is not kept.

    Each party gets its own folder, and nobody else's.
    """
    if find_spec("cryptography") is None:
        raise ImportError('certificates need cryptography: pip install "skfedmtl[tls]"')
    names = list(dict.fromkeys(nodes))
    if not names:
        raise ValueError("nodes must name one node at least.")
    if days < 1:
        raise ValueError(f"days must be at least 1, got {days}.")
    for name in names:
        if not _NAME.fullmatch(name) or name == SERVER:
            raise ValueError(
                f"a node is named by letters, digits, '_', '.' and '-', not {name!r}; "
                f"{SERVER!r} is the server's."
            )
    made = _Authority(days)
    folders = []
    for name in (SERVER, *names):
        place = Path(folder) / name
        place.mkdir(parents=True)
        folders.append(place)
        for file, content in zip(_FILES, made.issue(name), strict=True):
            _write(place / file, content)
    _write(Path(folder) / SERVER / _NODES, "".join(f"{name}\n" for name in names).encode())
    return folders


def _write(path: Path, content: bytes) -> None:
    """A file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


class _Authority:
    """Signs certificates for as long as it lives."""

    def __init__(self, days: int) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        self._x509, self._days = x509, days
        self._new_key = lambda: ec.generate_private_key(ec.SECP256R1())
        self._key = self._new_key()
        self._name = self._subject("skfedmtl authority")
        self._certificate = self._signed(
            self._name,
            self._key,
            [
                (x509.BasicConstraints(ca=True, path_length=0), True),
                (self._usage(signs=True), True),
            ],
        )

    def _subject(self, name: str) -> Any:
        attribute = self._x509.NameAttribute(self._x509.oid.NameOID.COMMON_NAME, name)
        return self._x509.Name([attribute])

    def _usage(self, *, signs: bool) -> Any:
        names = (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        )
        return self._x509.KeyUsage(
            digital_signature=not signs,
            key_cert_sign=signs,
            crl_sign=signs,
            **dict.fromkeys(names, False),
        )

    def _signed(self, subject: Any, key: Any, extensions: list[tuple[Any, bool]]) -> Any:
        from cryptography.hazmat.primitives import hashes

        x509 = self._x509
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=self._days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False
            )
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, name: str) -> tuple[bytes, bytes, bytes]:
        """The authority's certificate, one of this name, and its key."""
        from cryptography.hazmat.primitives import serialization

        x509, key = self._x509, self._new_key()
        purposes = x509.oid.ExtendedKeyUsageOID
        purpose = purposes.SERVER_AUTH if name == SERVER else purposes.CLIENT_AUTH
        certificate = self._signed(
            self._subject(name),
            key,
            [
                (x509.BasicConstraints(ca=False, path_length=None), True),
                (self._usage(signs=False), True),
                (x509.ExtendedKeyUsage([purpose]), False),
                (x509.SubjectAlternativeName([x509.DNSName(name)]), False),
            ],
        )
        pem = serialization.Encoding.PEM
        return (
            self._certificate.public_bytes(pem),
            certificate.public_bytes(pem),
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        )
