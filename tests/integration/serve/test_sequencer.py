"""Two gateways, one log: over mutual TLS, through a kill of the sequencer, each exchange once."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import shutil
import signal
import socket
import ssl
import urllib.error
import urllib.request

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from titer.evidence.log import View
from titer.gateway.assembly import origin
from titer.gateway.sequencing import Batch


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def authority(directory):
    """An authority with a certificate for this machine, and one each for two gateways."""
    directory.mkdir()
    now = dt.datetime.now(dt.UTC)
    root_key = ec.generate_private_key(ec.SECP256R1())

    def make(name, key, ca):
        made = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("root"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(1))
            .not_valid_after(now + dt.timedelta(1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
                critical=False,
            )
        )
        if not ca:
            host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            made = made.add_extension(x509.SubjectAlternativeName([host]), critical=False)
        else:
            usage = x509.KeyUsage(
                digital_signature=False, content_commitment=False, key_encipherment=False,
                data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
                encipher_only=False, decipher_only=False,
            )  # fmt: skip
            made = made.add_extension(usage, critical=True)
        pem = made.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (directory / f"{name}.pem").write_bytes(pem)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (directory / f"{name}.key").write_bytes(private)

    make("root", root_key, ca=True)
    for name in ("seq", "gw-b", "gw-c"):
        make(name, ec.generate_private_key(ec.SECP256R1()), ca=False)
    return directory


@pytest.fixture
def pair(service, tmp_path, second_service, free):
    """A sequencer, and a gateway that forwards to it."""
    certificates, port = authority(tmp_path / "ca"), free()
    other = second_service
    for one, lines in (
        (service, (f'listen = "127.0.0.1:{port}"', "seq")),
        (other, (f'at = ["https://127.0.0.1:{port}"]\nname = "gw-b"', "gw-b")),
    ):
        one.data.mkdir(exist_ok=True)
        (one.data / "titer.toml").write_text(
            f'[sequencer]\n{lines[0]}\ncertificate = "{certificates}/{lines[1]}.pem"\n'
            f'private_key = "{certificates}/{lines[1]}.key"\nca = "{certificates}/root.pem"\n'
        )
    service.key("acme")
    shutil.copy(service.data / "secret", other.data / "secret")
    return service, other, certificates, port


def ids(data):
    return [
        json.loads(s.body)["id"] for s in View.open(data / "log").scan() if s.kind == "exchange"
    ]


@pytest.mark.slow
def test_exchanges_of_two_gateways_come_into_one_log_once(pair, wait):
    service, other, _, _ = pair
    here, there = service.key("acme"), other.key("acme")
    service.start()
    other.start()
    for i in range(6):
        assert service.ask(here, max_tokens=i + 1)[0] == 200
        assert other.ask(there, max_tokens=i + 1)[0] == 200
    asked = 12
    wait(lambda: len(ids(service.data)) == asked, what="12 exchanges in the log")

    def status():
        nonlocal asked
        asked += 1  # a request that is refused is an exchange as well
        return other.ask(there)[0]

    imposed = service.verb(
        "decide", "impose", "acme", "--dose", "refuse=1", "--reason", "test", "--by", "me",
        "--data", str(service.data),
    )  # fmt: skip
    assert imposed.returncode == 0, imposed.stderr
    wait(lambda: status() != 200, what="a dose at the gateway without a log")
    lifted = service.verb(
        "decide", "lift", "acme", "--reason", "test", "--by", "me", "--data", str(service.data)
    )
    assert lifted.returncode == 0, lifted.stderr
    wait(lambda: status() == 200, what="the dose has gone")
    before = asked
    wait(lambda: len(ids(service.data)) == before, what="all of them in the log")
    wait(lambda: not list((other.data / "forward").glob("*.batch")), what="all is sent")
    service.stop(sign=signal.SIGKILL)  # the workers and the analysis process end by themselves
    for i in range(6):
        assert other.ask(there, max_tokens=i + 1)[0] == 200
    wait(lambda: list((other.data / "forward").glob("*.batch")), what="a batch that waits")
    wait(lambda: not held(service.data), what="the log is free")
    service.start()
    wait(lambda: len(ids(service.data)) == before + 6, what="6 more exchanges in the log")
    wait(lambda: not list((other.data / "forward").glob("*.batch")), what="all is sent")
    assert other.stop() == 0
    assert service.stop() == 0
    found = ids(service.data)
    assert len(found) == len(set(found)) == before + 6
    received = [
        json.loads(s.body) for s in View.open(service.data / "log").scan() if s.kind == "received"
    ]
    assert sum(one["exchanges"] for one in received) == before
    assert [r["number"] for r in received] == sorted({r["number"] for r in received})
    assert {r["gateway"] for r in received} == {"gw-b"}
    assert not (other.data / "log" / "bodies").exists()
    assert service.json("replay", "--data", str(service.data))["follows"]
    told = service.verb("explain", "acme", "--data", str(service.data))
    assert f"{before + 6} requests" in told.stdout


def held(data):
    import fcntl

    with (data / "log" / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_only_gateways_with_a_certificate_and_the_same_secret_may_send(pair, wait):
    service, _, certificates, port = pair
    service.start()
    wait(lambda: listens(port), what="the sequencer's port")

    def send(batch, name):
        context = ssl.create_default_context(cafile=certificates / "root.pem")
        if name:
            context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        asked = urllib.request.Request(
            f"https://127.0.0.1:{port}/exchanges", msgspec.msgpack.encode(batch)
        )
        try:
            with urllib.request.urlopen(asked, timeout=60, context=context) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    own = origin(service.data)
    assert send(Batch("gw-c", 0, own), "gw-c") == 200
    assert send(Batch("gw-b", 0, own), "gw-c") == 403
    assert send(Batch("gw-c", 0, "titer.local/other"), "gw-c") == 403
    assert send({"gateway": 5}, "gw-c") == 400
    with pytest.raises((urllib.error.URLError, OSError)):
        send(Batch("gw-c", 0, own), "")
    assert service.stop() == 0
