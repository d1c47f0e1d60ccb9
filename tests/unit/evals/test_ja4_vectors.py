"""Captures made here, in the shape of FoxIO's folder: what the command for its vectors says."""

from __future__ import annotations

import json
import os
import struct
import sys

import pytest

pytest.importorskip("evals.ja4_vectors")

from evals import ja4_vectors

from titer.core import ja4

HELLO = (
    b"\x01\x00\x00\x37\x03\x03" + bytes(32) + b"\x00\x00\x04\x13\x01\x13\x02\x01\x00\x00\x0a"
    b"\x00\x10\x00\x06\x00\x04\x03\xba\xad\x68"
)
RECORD = b"\x16\x03\x01" + struct.pack(">H", len(HELLO)) + HELLO
FINE = ja4.fingerprint(ja4.read_hello(HELLO))


def segment(number, payload, *, syn=False, source=40_000):
    tcp = struct.pack(">HHIIBBHHH", source, 443, number, 0, 0x50, 2 if syn else 16, 0, 0, 0)
    body = tcp + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, 6, 0, b"\x0a\0\0\1",
                     b"\x0a\0\0\2")  # fmt: skip
    return bytes(12) + b"\x08\x00" + ip + body


def pcap(*packets):
    head = b"\xd4\xc3\xb2\xa1" + struct.pack("<HHIIII", 2, 4, 0, 0, 65_535, 1)
    return head + b"".join(struct.pack("<IIII", 0, 0, len(p), len(p)) + p for p in packets)


def pcapng(*packets):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        size = 12 + len(body)
        return struct.pack("<II", kind, size) + body + struct.pack("<I", size)

    parts = [block(0x0A0D0D0A, b"\x4d\x3c\x2b\x1a" + struct.pack("<HHq", 1, 0, -1)),
             block(1, struct.pack("<HHI", 1, 0, 0))]  # fmt: skip
    parts += [block(6, struct.pack("<IIIII", 0, 0, 0, len(p), len(p)) + p) for p in packets]
    return b"".join(parts)


def tunnelled(frame):
    gre = struct.pack(">HH", 0, 0x0800) + frame[14:]
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(gre), 0, 0, 64, 47, 0, bytes(4), bytes(4))
    return bytes(12) + b"\x81\x00\x00\x01\x08\x00" + ip + gre


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("pcap", "python/test/testdata", "rust/ja4/src/snapshots"):
        (tmp_path / name).mkdir(parents=True)
    parts = [segment(99, b"", syn=True), segment(130, RECORD[30:]), segment(100, RECORD[:30])]
    (tmp_path / "pcap" / "a.pcap").write_bytes(pcap(*parts))
    socks = [segment(7, b"\x05\x01\x00"), segment(10, RECORD), segment(10, RECORD)]
    (tmp_path / "pcap" / "b.pcapng").write_bytes(pcapng(*map(tunnelled, socks)))
    monkeypatch.setattr(ja4_vectors, "RESULT", tmp_path / "result.json")
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path)])
    return tmp_path


def state(folder, capture, value):
    said = f"- stream: 0\n  src_port: 40000\n  dst_port: 443\n  ja4: {value}\n"
    (folder / "rust/ja4/src/snapshots" / f"ja4__insta@{capture}.snap").write_text(said)


def test_segments_out_of_order_tunnels_and_greetings_are_read(folder, capsys):
    state(folder, "a.pcap", FINE)
    state(folder, "b.pcapng", FINE)
    state(folder, "gone.pcap", FINE)
    raw = ja4.raw(ja4.read_hello(HELLO))
    (folder / "python/test/testdata/a.pcap.json").write_text(
        json.dumps([{"srcport": "40000", "dstport": "443", "JA4.1": FINE, "JA4_r.1": raw}])
    )
    assert ja4_vectors.main() == 0
    found = json.loads((folder / "result.json").read_text())
    assert found["ja4 over TCP"] == {
        "vectors": 2, "same": 2, "older_alpn_rule": 0, "connections": 3, "connections_same": 3,
    }  # fmt: skip
    assert found["ja4_r over TCP"]["same"] == 1
    assert found["absent"] == ["gone.pcap"]
    assert "gone.pcap is not among the captures" in capsys.readouterr().out


def test_what_differs_is_told_and_the_older_rule_counted_apart(folder, capsys):
    state(folder, "a.pcap", f"{FINE[:8]}99{FINE[10:]}")
    assert ja4_vectors.main() == 0
    assert json.loads((folder / "result.json").read_text())["ja4 over TCP"]["older_alpn_rule"] == 1
    state(folder, "a.pcap", "t13d1516h2_8daaf6152771_e5627efa2ab1")
    assert ja4_vectors.main() == 1
    assert f"titer {FINE}" in capsys.readouterr().out


def test_another_folder_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path)])
    with pytest.raises(SystemExit):
        ja4_vectors.main()
    assert "checkout of FoxIO" in capsys.readouterr().err


def test_a_file_that_is_no_capture_is_refused():
    with pytest.raises(ValueError, match="no capture"):
        list(ja4_vectors.frames(b"hello"))


@pytest.mark.skipif("TITER_JA4" not in os.environ, reason="needs FoxIO's repository (TITER_JA4)")
def test_foxios_vectors_come_out_as_they_were_written_down(monkeypatch, tmp_path):
    """Its captures carry no licence of their own, so that they are not here."""
    before = json.loads(ja4_vectors.RESULT.read_text())
    monkeypatch.setattr(ja4_vectors, "RESULT", tmp_path / "result.json")
    monkeypatch.setattr(sys, "argv", ["evals.ja4_vectors", os.environ["TITER_JA4"]])
    assert ja4_vectors.main() == 0
    after = json.loads((tmp_path / "result.json").read_text())
    tcp = after["ja4 over TCP"]
    assert tcp["same"] + tcp["older_alpn_rule"] == tcp["vectors"] >= 29
    assert {**after, "captures_sha256": ""} == {**before, "captures_sha256": ""}
