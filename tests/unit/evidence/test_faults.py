"""What the log withstands, a test for each row of docs/explanation/what-the-log-withstands.md."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import struct
import time
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from titer.core.errors import EvidenceError
from titer.evidence import cosignature, merkle, monitor, note
from titer.evidence.cosignature import Cosigner
from titer.evidence.log import Log, View
from titer.gateway import vouching
from titer.gateway.publishing import Folder, publish, source
from titer.gateway.vouchers import Vouching

ORIGIN = "titer.test/faults"
PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "what-the-log-withstands.md"


def exchange(index, subject="p"):
    return "exchange", json.dumps({"id": f"x{index}", "principal": {"id": subject}}).encode()


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "log", origin=ORIGIN) as log:
        log.append([("start", b'{"n":%d}' % i) for i in range(300)], at=1)
        log.append([exchange(i) for i in range(20)], at=1)
        log.checkpoint()
        yield log


def records(directory):
    """(offset, end) of every record of the first segment."""
    data = (directory / "bodies" / "000000000000").read_bytes()
    out, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I", data, at + 8)[0], data[at + 37]
        out.append((at, at + 102 + name + size))
        at = out[-1][1]
    return data, out


def rewrite(directory, data):
    (directory / "bodies" / "000000000000").write_bytes(data)


def sealed_again(record):
    """The record with its check sum made right, as somebody who forges it would."""
    return record[:4] + zlib.crc32(record[8:]).to_bytes(4, "big") + record[8:]


def test_two_writers(log):
    with pytest.raises(BlockingIOError, match="another process writes this log"):
        Log.open(log.directory)


def test_disk_full(log, monkeypatch):
    size = log.size

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="the disk is full: free space"):
            log.append([exchange(1)])
    assert log.size == size
    assert log.append([exchange(1)]) == size


def test_clock_back(log, monkeypatch):
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 10**18)
    index = log.append([exchange(1)])
    old = log.head
    log.checkpoint()
    assert log.read(index).at < log.read(index - 20).at + 10**15
    merkle.verify_consistency(
        log.consistency(old.size), old=old.size, new=log.head.size, old_root=old.root,
        new_root=log.head.root,
    )  # fmt: skip
    log.check()


def test_lost_tile(log, tmp_path):
    publish(View.open(log.directory), Folder(tmp_path / "mirror"))
    lost = log.directory / "tile" / "0" / "000"
    lost.unlink()
    get = source(str(log.directory))
    with pytest.raises(EvidenceError, match="tile/0/000 is missing or damaged"):
        monitor.look(get, log.verifiers, entries=True)
    shutil.copy(tmp_path / "mirror" / "tile" / "0" / "000", lost)
    assert monitor.look(get, log.verifiers, entries=True).entries == 320
    lost.unlink()  # without a mirror, opening makes it again from the journal
    log.close()
    with Log.open(log.directory):
        assert lost.read_bytes() == (tmp_path / "mirror" / "tile" / "0" / "000").read_bytes()


def test_rolled_back_disk(log, tmp_path):
    shutil.copytree(log.directory, tmp_path / "copy")
    log.append([exchange(1)])
    anchor = tmp_path / "anchor"
    vouching.vouch(log, Vouching(anchor=anchor))
    with pytest.raises(
        EvidenceError, match="rolled back: this disk shows 320 entries, the anchor"
    ):
        vouching.opened(Log.open(tmp_path / "copy"), Vouching(anchor=anchor))


def test_forged_entry(log):
    data, at = records(log.directory)
    start, end = at[7]
    record = data[start:end].replace(b'{"n":7}', b'{"n":8}')
    rewrite(log.directory, data[:start] + sealed_again(record) + data[end:])
    with pytest.raises(EvidenceError, match="entry 7 is not what was committed to"):
        View.open(log.directory).check()
    rewrite(log.directory, data[:start] + record + data[end:])
    with pytest.raises(EvidenceError, match="entry 7 is damaged or out of order"):
        View.open(log.directory).check()


def test_forged_sealed_entry(log):
    data, at = records(log.directory)
    start, end = at[305]
    record = data[start : end - 1] + bytes([data[end - 1] ^ 1])
    rewrite(log.directory, data[:start] + sealed_again(record) + data[end:])
    with pytest.raises(EvidenceError, match="holds another key than the body was sealed under"):
        View.open(log.directory).check()


def test_reordered_entries(log):
    data, at = records(log.directory)
    (a, b), (c, d) = at[5], at[6]
    rewrite(log.directory, data[:a] + data[c:d] + data[a:b] + data[d:])
    with pytest.raises(EvidenceError, match="entry 5 is damaged or out of order"):
        View.open(log.directory).check()
    renumbered = []
    for (x, y), index in ((at[6], 5), (at[5], 6)):
        record = data[x : x + 12] + index.to_bytes(8, "big") + data[x + 20 : y]
        renumbered.append(sealed_again(record))
    rewrite(log.directory, data[:a] + b"".join(renumbered) + data[d:])
    with pytest.raises(EvidenceError, match="does not lead to the published head"):
        View.open(log.directory).check()


def test_truncated_log(log):
    log.close()
    data, at = records(log.directory)
    rewrite(log.directory, data[: at[310][0]])
    with pytest.raises(EvidenceError, match="the head covers 320 entries, the journal holds 310"):
        Log.open(log.directory)


def test_swapped_salt(log):
    data, at = records(log.directory)
    (a, b), (c, d) = at[5], at[6]
    one = sealed_again(data[a : a + 38] + data[c + 38 : c + 70] + data[a + 70 : b])
    two = sealed_again(data[c : c + 38] + data[a + 38 : a + 70] + data[c + 70 : d])
    rewrite(log.directory, data[:a] + one + two + data[d:])
    with pytest.raises(EvidenceError, match="entry 5 has another .* salt, and entry 6 has its"):
        View.open(log.directory).check()


def test_replaced_checkpoint(log, tmp_path):
    own = (log.directory / "checkpoint").read_bytes()
    with Log.open(tmp_path / "other", origin=ORIGIN) as other:
        other.append([exchange(1)] * 320)
    log.close()
    shutil.copy(tmp_path / "other" / "checkpoint", log.directory / "checkpoint")
    with pytest.raises(EvidenceError, match="no signature by a known key"):
        Log.open(log.directory)
    body = log.head.body().replace("320", "319")
    (log.directory / "checkpoint").write_text(note.sign(body, log.signer()))
    with pytest.raises(EvidenceError, match="does not lead to the published head"):
        Log.open(log.directory)
    (log.directory / "checkpoint").write_bytes(own)
    Log.open(log.directory).close()


def test_stale_witness(log):
    signer = Cosigner("w", Ed25519PrivateKey.generate())
    signed = (log.signed_head + signer.line(log.head.body(), 1_000)).encode()
    with pytest.raises(EvidenceError, match="witness: stale; 0 of the 1"):
        cosignature.require(signed, [signer.witness], 1, now=2_000, stale=500)


def test_split_view(log, tmp_path):
    shutil.copytree(log.directory, tmp_path / "fork")
    log.append([exchange(1)])
    log.checkpoint()
    with Log.open(tmp_path / "fork") as fork:
        fork.append([exchange(2)])
        fork.checkpoint()
        seen = monitor.known("a reader", fork.signed_head.encode(), log.verifiers)
    with pytest.raises(monitor.Contradiction, match="split view: two roots for 321") as found:
        monitor.look(source(str(log.directory)), log.verifiers, [seen])
    assert found.value.other == seen.signed


def test_the_page_names_a_test_for_every_row():
    rows = re.findall(
        r"^\| .* \| `(test_[a-z_]+)`(?:, `(test_[a-z_]+)`)? \|$", PAGE.read_text(), re.MULTILINE
    )
    named = {name for row in rows for name in row if name}
    tests = Path(__file__).parents[2]
    everywhere = "".join(path.read_text() for path in tests.glob("*/**/test_*.py"))
    assert len(named) >= 18
    assert [name for name in sorted(named) if f"def {name}(" not in everywhere] == []
    here = set(re.findall(r"^def (test_[a-z_]+)\(", Path(__file__).read_text(), re.MULTILINE))
    assert here - named == {"test_the_page_names_a_test_for_every_row"}
