"""A time stamping authority for tests: certificates made here, replies made by `openssl ts`."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

OPENSSL = shutil.which("openssl")

CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {d}/serial
crypto_device = builtin
signer_cert = {d}/tsa.pem
signer_key = {d}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
"""


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write_key(path, key):
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


class Authority:
    """`days` says from when to when its certificate is valid, counted from now."""

    def __init__(self, directory: Path, *, days=(-1, 30), usage=True) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        now = dt.datetime.now(dt.UTC)
        start, end = (now + dt.timedelta(days=d) for d in days)
        root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = self._certificate("root", "root", root_key, root_key, now - dt.timedelta(3650), end)
        leaf = self._certificate("tsa", "root", key, root_key, start, end, usage=usage)
        self.roots = directory / "roots.pem"
        self.roots.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        (directory / "tsa.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        _write_key(directory / "tsa.key", key)
        (directory / "serial").write_text("01\n")
        (directory / "tsa.cnf").write_text(CONFIG.format(d=directory))

    def _certificate(self, subject, issuer, key, signer, start, end, *, usage=False):  # noqa: PLR0917
        made = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end + dt.timedelta(days=3650) if subject == "root" else end)
        )
        made = made.add_extension(
            x509.BasicConstraints(ca=subject == "root", path_length=None), critical=True
        )
        made = made.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        if usage:
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            made = made.add_extension(purposes, critical=True)
        return made.sign(signer, hashes.SHA256())

    def reply(self, query: bytes) -> bytes:
        (self.directory / "query.tsq").write_bytes(query)
        done = subprocess.run(
            [OPENSSL, "ts", "-reply", "-config", self.directory / "tsa.cnf", "-queryfile",
             self.directory / "query.tsq", "-out", self.directory / "reply.tsr"],
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return (self.directory / "reply.tsr").read_bytes()

    def accepts(self, data: bytes, token: bytes) -> bool:
        """Whether `openssl ts -verify` accepts the reply."""
        (self.directory / "data").write_bytes(data)
        (self.directory / "token.tsr").write_bytes(token)
        done = subprocess.run(
            [OPENSSL, "ts", "-verify", "-data", self.directory / "data", "-in",
             self.directory / "token.tsr", "-CAfile", self.roots],
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        return done.returncode == 0 and b"Verification: OK" in done.stdout


class Served:
    """An authority behind HTTP."""

    def __init__(self, authority: Authority) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["content-length"]))
                assert self.headers["content-type"] == "application/timestamp-query"
                body = authority.reply(query)
                self.send_response(200)
                self.send_header("content-type", "application/timestamp-reply")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/tsa"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
