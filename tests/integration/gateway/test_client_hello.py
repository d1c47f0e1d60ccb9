"""JA4 of real clients at our own TLS, field by field as `openssl s_server -trace` saw them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys

import pytest

from titer.core import ja4

CLOSE = b"Connection: close\r\n"
PYTHON = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[3])
exec(sys.argv[4])
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as raw:
    with context.wrap_socket(raw, server_hostname=sys.argv[2]) as s:
        s.sendall(sys.stdin.buffer.read())
        while s.recv(65536):
            pass
"""
NODE = """
const tls = require("node:tls");
const [port, name, ca] = process.argv.slice(1);
const wire = require("node:fs").readFileSync(0);
const s = tls.connect({host: "127.0.0.1", port: +port, servername: name,
  ca: require("node:fs").readFileSync(ca), ALPNProtocols: ["http/1.1"]}, () => s.write(wire));
s.on("data", () => {}); s.on("error", () => {});
"""
GO = """
package main

import ("crypto/tls"; "crypto/x509"; "io"; "os")

func main() {
	pem, _ := os.ReadFile(os.Args[3])
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: pool, ServerName: os.Args[2], NextProtos: []string{"h2", "http/1.1"}}
	c, err := tls.Dial("tcp", "127.0.0.1:"+os.Args[1], config)
	if err != nil { panic(err) }
	wire, _ := io.ReadAll(os.Stdin)
	c.Write(wire)
	io.ReadAll(c)
}
"""  # noqa: E501 - one line of Go
CIPHER = "context.set_ciphers('ECDHE-ECDSA-CHACHA20-POLY1305')"
OLD = "context.maximum_version = ssl.TLSVersion.TLSv1_2"


def python(setting="pass", name="localhost"):
    return lambda port, ca: [sys.executable, "-c", PYTHON, str(port), name, ca, setting]


def openssl(*more):
    return lambda port, ca: ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", ca,
                             "-quiet", "-ign_eof", *more]  # fmt: skip


def curl(*more):
    return lambda port, ca: ["curl", "-s", "--max-time", "60", "--cacert", ca, *more,
                             f"https://127.0.0.1:{port}/healthz"]  # fmt: skip


def node(port, ca):
    return ["node", "-e", NODE, str(port), "localhost", ca]


CLIENTS = {
    "python": python(),
    "python, no name": python(name="127.0.0.1"),
    "python, TLS 1.2": python(OLD),
    "python, one cipher, ALPN": python(f"{CIPHER}; context.set_alpn_protocols(['h2'])"),
    "openssl": openssl("-servername", "localhost"),
    "openssl, no name": openssl("-noservername", "-alpn", "http/1.1"),
    "openssl, few": openssl("-ciphersuites", "TLS_AES_128_GCM_SHA256", "-sigalgs",
                            "ecdsa_secp256r1_sha256", "-tls1_3"),
    "curl": curl(),
    "curl, HTTP/1.1, TLS 1.2": curl("--http1.1", "--tls-max", "1.2"),
    "node": node,
}  # fmt: skip


@pytest.fixture(scope="module")
def go_client(tmp_path_factory):
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    where = tmp_path_factory.mktemp("go")
    (where / "main.go").write_text(GO)
    env = {"GOFLAGS": "-mod=mod", "GO111MODULE": "off", "GOCACHE": str(where / "cache"),
           "HOME": str(where), "PATH": "/usr/bin:/bin"}  # fmt: skip
    subprocess.run(
        ["go", "build", "-o", "client", "main.go"], cwd=where, env=env, check=True, timeout=300
    )
    return lambda port, ca: [str(where / "client"), str(port), "localhost", ca]


async def run(argv, wire):
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await asyncio.wait_for(process.communicate(wire), 60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def traced(client, certificate):
    """What `openssl s_server -trace` prints of the client's hello, as JA4's two forms."""
    cert, key = certificate
    server = subprocess.Popen(
        ["openssl", "s_server", "-trace", "-www", "-accept", "127.0.0.1:0", "-cert", cert,
         "-key", key, "-naccept", "1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for line in server.stdout:
        if found := re.match(r"ACCEPT .*:(\d+)", line):
            break
    argv = client(int(found[1]), cert)
    subprocess.run(
        argv, input=b"GET / HTTP/1.0\r\n\r\n", timeout=60, check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        text = server.communicate(timeout=60)[0]
    finally:
        server.kill()
    hello = text[text.index("ClientHello") :]
    hello = hello[: hello.index("Sent Record")]
    ciphers = [(a + b).lower() for a, b in re.findall(r"\{0x(..), 0x(..)\}", hello)]
    extensions = [
        f"{int(n):04x}" for n in re.findall(r"extension_type=.*\((\d+)\), length", hello)
    ]
    signatures = re.findall(r"\(0x(....)\)\n", _part(hello, "signature_algorithms(13)"))
    versions = re.findall(r"\((\d+)\)\n", _part(hello, "supported_versions(43)"))
    top = (
        max(map(int, versions)) if versions else int(re.findall(r"version=0x(\w+)", hello)[0], 16)
    )
    names = _part(hello, "application_layer_protocol_negotiation(16)").split()
    ends = names[0][0] + names[0][-1] if names else "00"
    head = (
        f"t{ {772: '13', 771: '12'}[top] }{'d' if '0000' in extensions else 'i'}"
        f"{len(ciphers):02}{len(extensions):02}{ends}"
    )
    told = ",".join(sorted(set(extensions) - {"0000", "0010"})) + "_" + ",".join(signatures)
    digests = [
        hashlib.sha256(t.encode()).hexdigest()[:12] for t in (",".join(sorted(ciphers)), told)
    ]
    return f"{head}_{digests[0]}_{digests[1]}"


def _part(hello, name):
    """The lines under one extension, without its own."""
    _, _, rest = hello.partition(f"extension_type={name}")
    return rest.partition("\n")[2].partition("extension_type=")[0].lower()


def served(kit, certificate, *argv_of, **settings):
    """The JA4 that titer's gateway noted of each client in turn."""
    cert, key = certificate

    async def scenario(world):
        origins = []
        planner = world.proxy.plane.planner
        plan = planner.plan

        def planned(head, peer, seen=""):
            made = plan(head, peer, seen)
            origins.append(made.origin)
            return made

        planner.plan = planned
        for argv in argv_of:
            await run(argv(world.port, cert), world.wire(extra=CLOSE))
        return [origin.ja4 for origin in origins]

    return kit.play(scenario, certificate=cert, private_key=key, **settings)[1]


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")


@needs_openssl
@pytest.mark.parametrize("name", CLIENTS)
def test_real_clients_are_seen_as_openssl_sees_them(kit, certificate, name):
    client = CLIENTS[name]
    program = client(1, "")[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    assert served(kit, certificate, client) == [traced(client, certificate)]


@needs_openssl
def test_go_is_seen_as_openssl_sees_it(kit, certificate, go_client):
    assert served(kit, certificate, go_client) == [traced(go_client, certificate)]


def _hello(certificate, alpn=("http/1.1",)):
    """A client's TLS in memory, and the records of its ClientHello."""
    context = ssl.create_default_context(cafile=certificate[0])
    context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return tls, incoming, outgoing, outgoing.read()


async def _talk(world, certificate, pieces_of, alpn=("http/1.1",)):
    """One exchange whose ClientHello goes out in pieces; the gateway's answer."""
    tls, incoming, outgoing, hello = _hello(certificate, alpn)
    reader, writer = await world.connect()
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces_of(hello):
        writer.write(piece)
        await asyncio.sleep(0.002)
    answer, sent = b"", False
    while True:
        try:
            if not sent:
                tls.do_handshake()
                tls.write(world.wire(extra=CLOSE))
                sent = True
            data = tls.read()
            if not data:
                return answer, hello
            answer += data
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            data = await asyncio.wait_for(reader.read(65536), 5)
            if not data:
                return answer, hello
            incoming.write(data)


def rerecorded(size):
    """The ClientHello in TLS records of `size` bytes, sent at once."""

    def pieces(hello):
        message = ja4.hello_in(hello)
        parts = [message[at : at + size] for at in range(0, len(message), size)]
        return [b"".join(b"\x16\x03\x01" + struct.pack(">H", len(p)) + p for p in parts)]

    return pieces


@pytest.mark.parametrize(
    ("pieces_of", "alpn", "known"),
    [
        (lambda hello: [hello], ("http/1.1",), True),
        (lambda hello: [hello[n : n + 1] for n in range(80)] + [hello[80:]], ("http/1.1",), True),
        (lambda hello: [hello[:3], hello[3:7], hello[7:300], hello[300:]], ("http/1.1",), True),
        (rerecorded(60), ("http/1.1",), True),
        (lambda hello: [hello], ["http/1.1", *(f"{n:0200}" for n in range(80))], True),  # 16 KB
        (lambda hello: [hello], ["http/1.1", *(f"{n:0200}" for n in range(250))], False),  # 50 KB
    ],
    ids=["whole", "bytes", "segments", "records", "16 KB", "50 KB"],
)
def test_a_hello_in_pieces_is_read_and_a_huge_one_is_served(
    kit, certificate, pieces_of, alpn, known
):
    cert, key = certificate

    async def scenario(world):
        return await _talk(world, certificate, pieces_of, alpn)

    world, (answer, hello) = kit.play(scenario, certificate=cert, private_key=key)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    (flight,) = world.gate.flights
    expected = ja4.fingerprint(ja4.read_hello(ja4.hello_in(hello))) if known else ""
    assert flight.origin.ja4 == expected


@pytest.mark.parametrize(
    "junk",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\x03", b"\x16\x03\x01" * 9,
     b"\x80\x2e\x01\x03\x01" + bytes(60), b"\x16\x03\x01\xff\xff" + bytes(70_000)],
)  # fmt: skip
def test_a_stranger_who_speaks_no_tls_costs_nobody_else_anything(kit, certificate, junk):
    cert, key = certificate

    async def scenario(world):
        reader, writer = await world.connect()
        writer.write(junk)
        await asyncio.sleep(0.02)
        answer = await _talk(world, certificate, lambda hello: [hello])
        with contextlib.suppress(ConnectionError):
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 5)
        return answer

    world, (answer, hello) = kit.play(scenario, certificate=cert, private_key=key)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    (flight,) = world.gate.flights
    assert flight.origin.ja4 == ja4.seen(hello)
    assert world.proxy.snapshot()["faults"] == 0


def test_a_fault_in_reading_it_stops_nobody(kit, certificate, monkeypatch):
    def broken(data):
        raise ZeroDivisionError

    monkeypatch.setattr(ja4, "seen", broken)
    cert, key = certificate

    async def scenario(world):
        return await _talk(world, certificate, lambda hello: [hello])

    world, (answer, _) = kit.play(scenario, certificate=cert, private_key=key)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert world.gate.flights[0].origin.ja4 == ""
    assert world.proxy.snapshot()["faults"] == 1


@pytest.mark.parametrize("extra", [b"", b"X-Forwarded-For: 203.0.113.9\r\n"])
def test_whose_word_counts(kit, certificate, extra):
    """Our own TLS before a header; a header before our own TLS where a proxy forwards."""
    cert, key = certificate

    async def scenario(world):
        world.wire = lambda _wire=world.wire, **more: _wire(
            extra=CLOSE + b"X-JA4: t13d_told\r\n" + extra
        )
        return await _talk(world, certificate, lambda hello: [hello])

    world, (_, hello) = kit.play(
        scenario, certificate=cert, private_key=key, ja4_header="x-ja4",
        trusted_proxies=("127.0.0.0/8",),
    )  # fmt: skip
    seen = ja4.seen(hello)
    assert world.gate.flights[0].origin.ja4 == ("t13d_told" if extra else seen)
    assert seen
