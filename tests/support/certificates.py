"""Certificates for tests, made by the `openssl` of the machine: an authority, and one pair for both ends."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.not_run import not_run

EXTENSIONS = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n"


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: an authority, and a certificate of 127.0.0.1 by it with its key."""

    ca: Path
    cert: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Of a subject without a common name, which etcd takes for a user. Ends the test as not run without openssl."""
    if shutil.which("openssl") is None:
        not_run("openssl is not installed")
    ca = directory / "ca.pem"
    files = ("-keyout", directory / "ca.key", "-out", ca)
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-x509", "-days", "2", "-subj", "/CN=authority", *files)
    return Certificates(ca, *_sign(directory, "broker", "/O=odradek"))


def certificate_of(certificates: Certificates, user: str) -> Certificates:
    """By the same authority, for a user of etcd."""
    return Certificates(certificates.ca, *_sign(certificates.ca.parent, user, f"/CN={user}"))


def _sign(directory: Path, name: str, subject: str) -> tuple[Path, Path]:
    cert, key, request = (directory / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
    extensions = directory / "extensions"
    extensions.write_text(EXTENSIONS)
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key, "-out", request)
    authority = ("-CA", directory / "ca.pem", "-CAkey", directory / "ca.key", "-CAcreateserial")
    _openssl("x509", "-req", "-days", "2", *authority, "-extfile", extensions, "-in", request, "-out", cert)
    return cert, key


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
