"""A certificate for this machine alone, made when it is needed and gone afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from turnkit.errors import MissingDependencyError

ADDRESS = "127.0.0.1"
"""Whom the certificate is for."""

_VALID = timedelta(days=7)


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for `ADDRESS` and its key.

    Parameters
    ----------
    folder : Path
        Exists; ``certificate.pem`` and ``key.pem`` are written into it, the key for its
        owner's eyes only.

    Returns
    -------
    certificate, key : Path

    Raises
    ------
    MissingDependencyError
        If the package ``cryptography`` is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise MissingDependencyError("cryptography", "agent", "a stand-in with TLS") from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "turnkit stand-in")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(ADDRESS))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].touch(mode=0o600)
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
