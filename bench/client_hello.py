"""What noting the ClientHello costs a TLS listener, beside a plain context.

    python -m bench.client_hello [--handshakes 400] [--runs 7]

Client and server shake hands in memory; only the server's side is timed, in turns: `plain` is the
standard library's context, `noted` one that keeps the ClientHello, `told` the same and JA4 worked
out of it, which is what the gateway does. CPU microseconds a handshake (TLS 1.3 with a P-256
certificate and with RSA of 2048 bits; TLS 1.2 resumed), medians of the runs. `connection` is the
CPU of a gateway in a process of its own for a whole connection that asks for `/healthz` once,
without TLS (`bare`) too: such a listener has none of this. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import multiprocessing
import socket
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from titer.gateway import proxy
from titer.gateway.hello import NotingContext, NotingObject
from titer.gateway.settings import GatewaySettings
from titer.gateway.tls import listening


def certificate(folder: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> list[Path]:
    """A self-signed certificate and its key, as files."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = [folder / "cert.pem", folder / "key.pem"]
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ))  # fmt: skip
    return paths


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, *, tell: bool, session: ssl.SSLSession | None
) -> tuple[float, ssl.SSLObject]:
    """One handshake: the server's CPU seconds, and the client's side."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(down, up, server_hostname="localhost", session=session)
    taken = 0.0
    began = time.process_time()
    answering = server.wrap_bio(up, down, server_side=True)
    _step(answering)
    taken += time.process_time() - began
    _step(asking)
    began = time.process_time()
    _step(answering)
    taken += time.process_time() - began
    _step(asking)
    began = time.process_time()
    _step(answering)
    if tell and isinstance(answering, NotingObject) and len(answering.fingerprint()) != 36:
        raise RuntimeError("no fingerprint")
    return taken + time.process_time() - began, asking


def _step(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return


def measure(paths: list[Path], handshakes: int, runs: int, *, resume: bool) -> dict[str, float]:
    contexts = {
        "plain": (listening(*paths), False),
        "noted": (listening(*paths, kind=NotingContext), False),
        "told": (listening(*paths, kind=NotingContext), True),
    }
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_alpn_protocols(["http/1.1"])
    sessions: dict[str, ssl.SSLSession | None] = dict.fromkeys(contexts)
    if resume:
        client.maximum_version = ssl.TLSVersion.TLSv1_2  # its session is there after the handshake
        for name, (server, _) in contexts.items():
            sessions[name] = shake(server, client, tell=False, session=None)[1].session
    taken: dict[str, list[float]] = {name: [] for name in contexts}
    for _ in range(runs):
        for name, (server, tell) in contexts.items():
            again = sessions[name]
            spent = [shake(server, client, tell=tell, session=again)[0] for _ in range(handshakes)]
            taken[name].append(sum(spent) / handshakes * 1e6)
    medians = {name: round(statistics.median(runs), 1) for name, runs in taken.items()}
    return {**medians, "ratio": round(medians["told"] / medians["plain"], 3)}


def serve(pipe: Connection, paths: list[Path], kind: type[ssl.SSLContext] | None) -> None:
    """A gateway that tells its port, and its CPU seconds whenever it is asked."""

    async def run() -> None:
        given = (
            {} if kind is None else {"certificate": str(paths[0]), "private_key": str(paths[1])}
        )
        settings = GatewaySettings(upstream="http://127.0.0.1:1", port=0, **given)
        if kind is not None:
            proxy.server_context = lambda _: listening(*paths, kind=kind)
        gateway = proxy.Proxy(settings, gate=None, find=lambda *_: None)  # type: ignore[arg-type]
        server = await gateway.start()
        pipe.send(server.sockets[0].getsockname()[1])
        asyncio.get_running_loop().add_reader(
            pipe.fileno(), lambda: (pipe.recv(), pipe.send(time.process_time()))
        )
        await asyncio.Event().wait()

    asyncio.run(run())


def connections(paths: list[Path], count: int, runs: int) -> dict[str, float]:
    """CPU microseconds of a gateway for a connection with one request."""
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    kinds = {"bare": None, "plain": ssl.SSLContext, "told": NotingContext}
    world = multiprocessing.get_context("fork")
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    gateways = {}
    for name, kind in kinds.items():
        ours, theirs = world.Pipe()
        process = world.Process(target=serve, args=(theirs, paths, kind), daemon=True)
        process.start()
        gateways[name] = (process, ours, ours.recv())
    for _ in range(runs):
        for name, (_, pipe, port) in gateways.items():
            pipe.send("")
            before = pipe.recv()
            for _ in range(count):
                _ask(port, client if name != "bare" else None)
            pipe.send("")
            taken[name].append((pipe.recv() - before) / count * 1e6)
    for process, _, _ in gateways.values():
        process.terminate()
    medians = {name: round(statistics.median(runs), 1) for name, runs in taken.items()}
    return {**medians, "ratio": round(medians["told"] / medians["plain"], 3)}


def _ask(port: int, context: ssl.SSLContext | None) -> None:
    with socket.create_connection(("127.0.0.1", port)) as plain:
        talk = context.wrap_socket(plain) if context is not None else plain
        talk.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while talk.recv(4096):
            pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--handshakes", type=int, default=400)
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    keys: dict[str, Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]] = {
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "rsa2048": lambda: rsa.generate_private_key(65_537, 2048),
    }
    out: dict[str, dict[str, float]] = {}
    for name, make in keys.items():
        with tempfile.TemporaryDirectory() as folder:
            paths = certificate(Path(folder), make())
            out[name] = measure(paths, given.handshakes, given.runs, resume=False)
            if name == "p256":
                out["connection"] = connections(paths, given.handshakes, given.runs)
                out["resumed"] = measure(paths, given.handshakes, given.runs, resume=True)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
