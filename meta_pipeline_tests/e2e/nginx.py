"""The real nginx with a file of deploy/nginx: its ports and paths become those of the test."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meta_pipeline_tests.e2e.units import DEPLOY

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
needs_nginx = pytest.mark.skipif(
    NGINX is None, reason="NO NGINX: the shipped proxy was not tried; install nginx-light"
)


def configured(folder: Path, shipped: str, host: str, places: Mapping[str, str]) -> list[str]:
    """Write deploy/nginx/`shipped` for this machine, and a certificate of `host`; the command.

    `places` are more texts to replace; each one must be there.
    """
    text = (DEPLOY / "nginx" / shipped).read_text(encoding="utf-8")
    for there, here in {
        f"/etc/ssl/{host}.pem": f"{folder}/certificate.pem",
        f"/etc/ssl/private/{host}.key": f"{folder}/key.pem",
        **places,
    }.items():
        assert there in text, there
        text = text.replace(there, here)
    (folder / shipped).write_text(text, encoding="utf-8")
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off; worker_processes 1; pid {folder}/nginx.pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log {folder}/access.log;\n{temporary}include {folder}/{shipped};\n}}\n",
        encoding="utf-8",
    )
    _certify(folder, host)
    return [str(NGINX), "-p", str(folder), "-e", f"{folder}/error.log", "-c", "nginx.conf"]


def trusting(folder: Path) -> ssl.SSLContext:
    """What believes the certificate of `configured`, and no other one."""
    return ssl.create_default_context(cafile=str(folder / "certificate.pem"))


def _certify(folder: Path, host: str) -> None:
    """A certificate of `host` for an hour, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
