from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import connect
from websockets.typing import Origin

from tests.agent.server.stubs import OFFER, run, served
from turnkit.errors import ConfigError


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(paths[0]), str(paths[1])


def test_page_calls_and_streams_go_over_tls(certificate: tuple[str, str]) -> None:
    files = [
        f"server.tls.{n}={p}" for n, p in zip(("certificate", "key"), certificate, strict=True)
    ]
    trust = ssl.create_default_context(cafile=certificate[0])

    async def body() -> None:
        async with served(*files) as it:
            assert it.url.startswith("https://")
            async with httpx.AsyncClient(verify=trust, trust_env=False, base_url=it.url) as client:
                content = {"type": "offer", "sdp": OFFER}
                answer = await client.post("/api/offer", json=content, headers={"Origin": it.url})
                assert answer.status_code == 200
                assert "max-age" in answer.headers["Strict-Transport-Security"]
                plain = {"Origin": it.url.replace("https", "http")}
                assert (await client.post("/api/offer", json=content, headers=plain)).is_error
            url = it.url.replace("https", "wss") + "/api/stream"
            async with connect(url, ssl=trust, proxy=None, origin=Origin(it.url)):
                pass

    run(body)


def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("northwind")
    files = [f"server.tls.certificate={tmp_path}/cert.pem", f"server.tls.key={tmp_path}/key.pem"]

    async def body() -> None:
        with pytest.raises(ConfigError, match=r"server\.tls\.certificate"):
            async with served(*files):
                pass

    run(body)
