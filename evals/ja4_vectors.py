"""`python -m evals.ja4_vectors PATH`: FoxIO's captures against `titer.core.ja4`.

PATH is a checkout of FoxIO's repository `ja4`, which is not shipped with titer: its captures carry
no licence of their own. Every connection for which FoxIO states a JA4 (the snapshots of its Rust
program, and JA4_r and JA4_ro of its Python program) is read out of the capture and compared. No
peer's dissector is used: captures, tunnels, TCP and QUIC Initial packets are taken apart here.

A vector is one fingerprint of one capture; connections that repeat it are counted beside it. Where
the first ALPN name does not begin with ASCII, FoxIO's programs still write 99, its description
two hex digits: such a vector is counted apart.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from titer.core import ja4
from titer.core.errors import InputError

#: Bytes of one direction of a connection that are looked at: no greeting before TLS is longer.
BEGIN = 64 * 1024
#: Layers of tunnels that are opened.
DEPTH = 4
#: RFC 9001, section 5.2.
_SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")

RESULT = Path(__file__).with_suffix(".json")
_OLDER = "as FoxIO's description has it, which is newer than the vector"

#: A direction of a connection: source port and destination port (FoxIO's files name the rest too,
#: but of a tunnel they name the outer addresses).
Ends = tuple[int, int]
Figure = dict[str, int]
Segment = tuple[bytes, bytes, int, int, int | None, bytes]


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(link type, frame) of a capture, pcap or pcapng. Raises `ValueError` for another file."""
    magic = data[:4]
    if magic == b"\x0a\x0d\x0d\x0a":
        yield from _pcapng(data)
        return
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">",
             b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}.get(magic)  # fmt: skip
    if order is None:
        raise ValueError("that is no capture: neither pcap nor pcapng")
    link, at = struct.unpack(f"{order}I", data[20:24])[0] & 0xFFFF, 24
    while at + 16 <= len(data):
        size = struct.unpack(f"{order}I", data[at + 8 : at + 12])[0]
        yield link, data[at + 16 : at + 16 + size]
        at += 16 + size


def _pcapng(data: bytes) -> Iterator[tuple[int, bytes]]:
    at, order, links = 0, "<", []
    while at + 12 <= len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
        kind, size = struct.unpack(f"{order}II", data[at : at + 8])
        if kind == 1:
            links.append(struct.unpack(f"{order}H", data[at + 8 : at + 10])[0])
        elif kind == 6:
            card, kept = struct.unpack(f"{order}I8xI", data[at + 8 : at + 24])
            yield links[card], data[at + 28 : at + 28 + kept]
        elif kind == 3:
            yield links[0], data[at + 12 : at + size - 4]
        at += max(12, size)


def segments(link: int, frame: bytes) -> Iterator[Segment]:
    """(source, destination, ports, TCP sequence number or None for UDP, payload) of a frame."""
    if link == 1:
        yield from _ethernet(frame, DEPTH)
    elif link in (0, 108):  # BSD loopback
        yield from _ip(frame[4:], DEPTH)
    elif link in (12, 14, 101, 228, 229):
        yield from _ip(frame, DEPTH)
    elif link == 113:
        yield from _ip(frame[16:], DEPTH)
    elif link == 276:
        yield from _ip(frame[20:], DEPTH)


def _ethernet(frame: bytes, depth: int) -> Iterator[Segment]:
    at = 12
    kind = int.from_bytes(frame[at : at + 2])
    while kind in (0x8100, 0x88A8):
        at += 4
        kind = int.from_bytes(frame[at : at + 2])
    if kind in (0x0800, 0x86DD):
        yield from _ip(frame[at + 2 :], depth)


def _ip(packet: bytes, depth: int) -> Iterator[Segment]:
    if not packet or not depth:
        return
    if packet[0] >> 4 == 4:
        size, proto = (packet[0] & 15) * 4, packet[9]
        ends = packet[12:16], packet[16:20]
        body = packet[size : int.from_bytes(packet[2:4]) or None]
        if int.from_bytes(packet[6:8]) & 0x1FFF:
            return
    else:
        proto, ends, body = packet[6], (packet[8:24], packet[24:40]), packet[40:]
    if proto == 6 and len(body) >= 20:
        one, two, number = struct.unpack(">HHI", body[:8])
        if body[13] & 2:
            number += 1
        yield *ends, one, two, number, body[(body[12] >> 4) * 4 :]
    elif proto == 17 and len(body) >= 8:
        one, two = struct.unpack(">HH", body[:4])
        yield *ends, one, two, None, body[8:]
        if two == 4789:  # VXLAN
            yield from _ethernet(body[16:], depth - 1)
        elif two == 6081:  # Geneve
            yield from _ethernet(body[16 + (body[8] & 63) * 4 :], depth - 1)
        elif two == 2152:  # GTP-U
            yield from _ip(body[16 + 4 * bool(body[8] & 7) :], depth - 1)
    elif proto in (4, 41):
        yield from _ip(body, depth - 1)
    elif proto == 47:
        flags, kind = struct.unpack(">HH", body[:4])
        at = 4 + 4 * (bool(flags & 0x8000) + bool(flags & 0x2000) + bool(flags & 0x1000))
        if kind in (0x0800, 0x86DD):
            yield from _ip(body[at:], depth - 1)
        elif kind == 0x6558:
            yield from _ethernet(body[at:], depth - 1)
        elif kind == 0x88BE:  # ERSPAN
            yield from _ethernet(body[at + 8 * bool(flags & 0x1000) :], depth - 1)


def hellos(data: bytes) -> dict[Ends, list[bytes]]:
    """The ClientHello messages of a capture, by ports."""
    tcp: dict[tuple[bytes, bytes, int, int], dict[int, bytes]] = defaultdict(dict)
    found: dict[Ends, list[bytes]] = defaultdict(list)
    crypto: dict[tuple[bytes, bytes, int, int], dict[int, bytes]] = defaultdict(dict)
    for link, frame in frames(data):
        for source, target, one, two, number, payload in segments(link, frame):
            flow = source, target, one, two
            if number is not None:
                if payload and len(tcp[flow]) < 1_000:
                    tcp[flow].setdefault(number, payload)
            elif payload and payload[0] & 0xB0 == 0x80:
                crypto[flow].update(initial(payload))
                if message := _message(crypto[flow]):
                    found[one, two].append(message)
                    crypto[flow] = {}
    for flow, parts in tcp.items():
        found[flow[2], flow[3]] += _in_stream(joined(parts))
    return found


def joined(parts: dict[int, bytes]) -> bytes:
    """The first bytes of a direction: segments in order, repeats dropped, up to the first gap."""
    out = b""
    first = min(parts)
    for number in sorted(parts):
        have = first + len(out)
        if number > have or len(out) > BEGIN:
            break
        out += parts[number][have - number :]
    return out


def _in_stream(data: bytes) -> list[bytes]:
    """The ClientHello of a stream that may begin in another protocol (SOCKS, CONNECT), and the
    second one where the server asked for another key share.
    """
    found = []
    for match in re.finditer(rb"\x16\x03[\x00-\x04]", data):
        try:
            if message := ja4.hello_in(data[match.start() :]):
                ja4.read_hello(message)
                found.append(message)
        except InputError:
            continue
    return found


def _message(parts: dict[int, bytes]) -> bytes | None:
    data = b""
    for at in sorted(parts):
        if at > len(data):
            return None
        data += parts[at][len(data) - at :]
    whole = 4 + int.from_bytes(data[1:4]) if len(data) >= 4 else 1 << 24
    return data[:whole] if data[:1] == b"\x01" and len(data) >= whole else None


def initial(packet: bytes) -> dict[int, bytes]:
    """The CRYPTO frames, by offset, of a client's QUIC v1 Initial packet; {} for all else."""
    if packet[1:5] != b"\0\0\0\1":
        return {}
    at = 6 + packet[5]
    destination = packet[6:at]
    at += 1 + packet[at]
    token, at = _varint(packet, at)
    size, at = _varint(packet, at + token)
    if len(packet) < at + size or size < 20:
        return {}
    salted = HMAC(_SALT, hashes.SHA256())
    salted.update(destination)
    client = _expand(salted.finalize(), b"client in", 32)
    key, iv, hide = (_expand(client, b"quic " + n, s)
                     for n, s in ((b"key", 16), (b"iv", 12), (b"hp", 16)))  # fmt: skip
    ecb = Cipher(algorithms.AES(hide), modes.ECB()).encryptor()  # noqa: S305 - RFC 9001, 5.4.3
    mask = ecb.update(packet[at + 4 : at + 20])
    first = packet[0] ^ mask[0] & 15
    width = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(packet[at : at + width], mask[1:], strict=False))
    nonce = (int.from_bytes(iv) ^ int.from_bytes(number)).to_bytes(12)
    header = bytes([first]) + packet[1:at] + number
    try:
        plain = AESGCM(key).decrypt(nonce, packet[at + width : at + size], header)
    except Exception:  # noqa: BLE001 - the server's packets are under another key
        return {}
    return _frames(plain)


def _frames(plain: bytes) -> dict[int, bytes]:
    at, found = 0, {}
    while at < len(plain):
        kind = plain[at]
        at += 1
        if kind in (0, 1):
            continue
        if kind != 6:
            break
        offset, at = _varint(plain, at)
        size, at = _varint(plain, at)
        found[offset] = plain[at : at + size]
        at += size
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    width = 1 << (data[at] >> 6)
    return int.from_bytes(data[at : at + width]) & (1 << 8 * width - 2) - 1, at + width


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    name = b"tls13 " + label
    info = struct.pack(">HB", size, len(name)) + name + b"\0"
    return HKDFExpand(hashes.SHA256(), size, info).derive(secret)


def stated(root: Path) -> Iterator[tuple[str, Ends, str, str]]:
    """(capture, ports, what, value) of every fingerprint that FoxIO states."""
    for snapshot in sorted((root / "rust/ja4/src/snapshots").glob("ja4__insta@*.snap")):
        capture = snapshot.name.removeprefix("ja4__insta@").removesuffix(".snap")
        for stream in snapshot.read_text().split("- stream:")[1:]:
            ports = re.search(r"src_port: (\d+)\s+dst_port: (\d+)", stream)
            value = re.search(r"\n  ja4: (\S+)", stream)
            if ports and value:
                yield capture, (int(ports[1]), int(ports[2])), "ja4", value[1]
    for answers in sorted((root / "python/test/testdata").glob("*.json")):
        for stream in json.loads(answers.read_text()):
            ends = int(stream.get("srcport", 0)), int(stream.get("dstport", 0))
            for key, value in stream.items():
                what = key.partition(".")[0].lower()
                if what in ("ja4", "ja4_r", "ja4_ro"):
                    yield answers.name.removesuffix(".json"), ends, what, value


def main() -> int:
    parser = argparse.ArgumentParser(prog="evals.ja4_vectors", description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="a checkout of FoxIO's repository ja4")
    root: Path = parser.parse_args().path
    if not (root / "pcap").is_dir():
        parser.error(f"{root} holds no folder pcap: give a checkout of FoxIO's repository ja4")
    read: dict[str, dict[Ends, list[bytes]]] = {}
    results: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    absent = set()
    digest = hashlib.sha256()
    for capture, ends, what, value in stated(root):
        file = root / "pcap" / capture
        if not file.exists():
            absent.add(capture)
            continue
        if capture not in read:
            read[capture] = hellos(data := file.read_bytes())
            digest.update(hashlib.sha256(data).digest())
        outcome = _compare(read[capture].get(ends, ()), what, value)
        results[what, capture, value].append(outcome)
    figures = {
        f"{what} over {over}": _count(results, what, letter)
        for what in ("ja4", "ja4_r", "ja4_ro")
        for letter, over in (("t", "TCP"), ("q", "QUIC"))
    }
    for name, figure in figures.items():
        print(f"{name}: {figure}")
    for (what, capture, value), outcomes in results.items():
        for odd in sorted(set(outcomes) - {"same"}):
            print(f"{what} of {capture}: FoxIO {value}\n  titer {odd}")
    for capture in sorted(absent):
        print(f"not compared: {capture} is not among the captures")
    written = {"captures": len(read), "captures_sha256": digest.hexdigest(),
               "absent": sorted(absent), **figures}  # fmt: skip
    RESULT.write_text(json.dumps(written, indent=1) + "\n")
    return 1 if any(set(v) - {"same"} - {_OLDER} for v in results.values()) else 0


def _count(results: dict[tuple[str, str, str], list[str]], what: str, letter: str) -> Figure:
    """How the vectors of one transport came out."""
    rows = [v for (w, _, value), v in results.items() if w == what and value[0] == letter]
    every = [outcome for row in rows for outcome in row]
    return {
        "vectors": len(rows),
        "same": sum(set(row) == {"same"} for row in rows),
        "older_alpn_rule": sum(set(row) == {_OLDER} for row in rows),
        "connections": len(every),
        "connections_same": every.count("same"),
    }


def _compare(messages: Sequence[bytes], what: str, value: str) -> str:
    """ "same", `_OLDER`, or what came out."""
    made = set()
    for hello in map(ja4.read_hello, messages):
        one = (ja4.fingerprint(hello) if what == "ja4"
               else ja4.raw(hello, original=what == "ja4_ro"))  # fmt: skip
        made.add(one)
        if value == f"{one[:8]}99{one[10:]}" and hello.alpn[:1] > b"\x7f":
            return _OLDER
    return "same" if value in made else ", ".join(sorted(made)) or "found no ClientHello"


if __name__ == "__main__":
    sys.exit(main())
