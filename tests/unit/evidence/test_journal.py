"""The journal: exact bytes, torn tails, damage."""

from __future__ import annotations

import errno
import hashlib
import struct
import zlib

import pytest

from titer.core.errors import EvidenceError
from titer.evidence import journal as module
from titer.evidence.entry import MAX_BODY
from titer.evidence.journal import Journal
from titer.evidence.record import encode


def made(directory, batches):
    """A journal with the given batches of bodies."""
    one = Journal(directory)
    one.recover()
    for bodies in batches:
        salts = bytes(32 * len(bodies))
        pairs = [("exchange", b) for b in bodies]
        batch, _ = encode(pairs, first=one.size, at=5, salts=salts)
        one.append(batch, len(bodies))
    return one


def segment(directory, first=0):
    return directory / f"{first:012d}"


def test_a_record_has_the_bytes_that_the_specification_gives(tmp_path):
    one = made(tmp_path, [[b"{}"]])
    salt = bytes(32)
    rest = struct.pack(">IQQQBB", 2, 0, 5, 0, 0, 8) + salt
    rest += hashlib.sha256(salt + b"{}").digest() + b"exchange" + b"{}"
    expected = b"TJ1\n" + struct.pack(">I", zlib.crc32(rest)) + rest
    assert segment(tmp_path).read_bytes() == expected
    one.close()
    one.close()


def test_lines_are_what_the_tree_holds():
    _, lines = encode([("gap", b"x")], first=9, at=77, salts=b"s" * 32)
    digest = hashlib.sha256(b"s" * 32 + b"x").hexdigest()
    assert lines == [b'{"v":1,"kind":"gap","at":77,"commitment":"%s"}' % digest.encode()]


@pytest.mark.parametrize(
    ("kind", "body", "at"),
    [
        ("Exchange", b"", 0),
        ("", b"", 0),
        ('a"b', b"", 0),
        ("a" * 33, b"", 0),
        ("gap", bytes(MAX_BODY + 1), 0),
        ("gap", b"", -1),
        ("gap", b"", 1 << 63),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(kind, body, at):
    with pytest.raises(ValueError, match=r"kind|body|time"):
        encode([("exchange", b"ok"), (kind, body)], first=0, at=at, salts=bytes(64))


def test_entries_come_back_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 4_000)
    bodies = [b"%d" % i for i in range(300)]
    made(tmp_path, [bodies[i : i + 7] for i in range(0, 300, 7)]).close()
    assert len(list(tmp_path.iterdir())) > 5
    one = Journal(tmp_path)
    for index in (299, 0, 150, 63, 64, 65, 298):
        stored = one.read(index)
        assert (stored.index, stored.body, stored.at) == (index, bodies[index], 5)
    assert [s.body for s in one.scan(100, 260)] == bodies[100:260]
    assert one.recover() == 0
    assert one.size == 300
    one.close()


def test_entries_of_a_kind_are_found_and_the_others_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 4_000)
    one = Journal(tmp_path)
    one.recover()
    kinds = ["start", "case", "starter", "campaign"]
    for i in range(0, 200, 10):
        batch = [(kinds[n % 7 % 4], b"%d" % n) for n in range(i, i + 10)]
        one.append(encode(batch, first=i, at=5, salts=bytes(320))[0], 10)
    every = list(one.scan(0, 200))
    for wanted in (("start",), ("campaign", "case"), ("none",)):
        for start, stop in ((0, 200), (17, 161)):
            found = list(one.scan(start, stop, kinds=wanted))
            assert found == [s for s in every[start:stop] if s.kind in wanted]
    one.close()
    path = segment(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EvidenceError, match="cut short"):
        list(Journal(tmp_path).scan(0, every[-1].index + 1, kinds=("none",)))


def test_a_torn_tail_is_cut_off_wherever_it_is_torn(tmp_path):
    one = made(tmp_path, [[b"a", b"b"], [b"c" * 40]])
    one.close()
    whole = segment(tmp_path).read_bytes()
    third = whole.index(b"TJ1\n", whole.index(b"TJ1\n", 4) + 4)
    for length in range(third, len(whole)):
        segment(tmp_path).write_bytes(whole[:length])
        again = Journal(tmp_path)
        assert again.recover() == length - third
        assert again.size == 2
        again.close()
        assert segment(tmp_path).stat().st_size == third


def test_damage_before_an_acknowledged_batch_is_no_torn_tail(tmp_path):
    one = made(tmp_path, [[b"a" * 9], [b"b" * 9], [b"c" * 9]])
    one.close()
    whole = segment(tmp_path).read_bytes()
    second = whole.index(b"TJ1\n", 4)
    third = whole.index(b"TJ1\n", second + 4)
    for at in (0, 5, 50, second, second + 4, second + 100):
        bad = bytearray(whole)
        bad[at] ^= 1
        segment(tmp_path).write_bytes(bad)
        with pytest.raises(EvidenceError, match="although it was acknowledged"):
            Journal(tmp_path).recover()
        assert segment(tmp_path).read_bytes() == bytes(bad)
    bad = bytearray(whole)
    bad[third + 60] ^= 1  # the last batch: nothing tells it from a torn one
    segment(tmp_path).write_bytes(bad)
    last = Journal(tmp_path)
    assert last.recover() == len(whole) - third
    last.close()


def test_a_torn_batch_is_cut_at_its_first_damaged_record(tmp_path):
    one = made(tmp_path, [[b"a"], [b"b", b"c", b"d"]])
    one.close()
    whole = bytearray(segment(tmp_path).read_bytes())
    starts = [i for i in range(len(whole)) if whole[i : i + 4] == b"TJ1\n"]
    whole[starts[2] + 50] ^= 1  # pages of one write may reach the disk in any order
    segment(tmp_path).write_bytes(whole)
    again = Journal(tmp_path)
    assert again.recover() > 0
    assert again.size == 2
    again.close()


@pytest.mark.parametrize("at", [0, 6, 20, 36, 75, 110])
def test_a_damaged_entry_is_not_read(tmp_path, at):
    one = made(tmp_path, [[b"a" * 20], [b"b" * 20]])
    one.close()
    bad = bytearray(segment(tmp_path).read_bytes())
    bad[at] ^= 4
    segment(tmp_path).write_bytes(bad)
    with pytest.raises(EvidenceError, match="entry 0"):
        Journal(tmp_path).read(0)


def test_missing_segments_and_entries_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 500)
    one = made(tmp_path, [[b"a" * 100]] * 10)
    one.close()
    firsts = sorted(int(p.name) for p in tmp_path.iterdir())
    with pytest.raises(EvidenceError, match="missing"):
        one.read(10)
    segment(tmp_path, firsts[1]).unlink()
    with pytest.raises(EvidenceError, match="segment 0000.* is missing"):
        one.read(firsts[1])
    with pytest.raises(EvidenceError, match="missing"):
        Journal(tmp_path).read(firsts[1])
    segment(tmp_path).unlink()
    with pytest.raises(EvidenceError, match="first segment is missing"):
        Journal(tmp_path)
    with pytest.raises(EvidenceError, match="entry 0 is missing"):
        Journal(tmp_path / "none").read(0)


def test_walking_over_damaged_headers_is_refused(tmp_path):
    one = made(tmp_path, [[b"a"] * 200])
    one.close()
    whole = segment(tmp_path).read_bytes()
    size = len(whole) // 200
    segment(tmp_path).write_bytes(whole[: size * 3] + b"XXXX" + whole[size * 3 + 4 :])
    with pytest.raises(EvidenceError, match="a record is damaged"):
        Journal(tmp_path).read(150)
    segment(tmp_path).write_bytes(whole[: size * 100])
    with pytest.raises(EvidenceError, match="ends before"):
        Journal(tmp_path).read(150)
    segment(tmp_path).write_bytes(b"")
    with pytest.raises(EvidenceError, match="missing"):
        Journal(tmp_path).read(0)


def test_an_erased_entry_keeps_its_commitment(tmp_path):
    one = made(tmp_path, [[b"a" * 20]])
    one.close()
    raw = segment(tmp_path).read_bytes()
    kept = raw[70:102]
    rest = struct.pack(">IQQQBB", 0, 0, 5, 0, 1, 8) + bytes(32) + kept + b"exchange"
    segment(tmp_path).write_bytes(b"TJ1\n" + struct.pack(">I", zlib.crc32(rest)) + rest)
    stored = Journal(tmp_path).read(0)
    assert (stored.body, stored.salt, stored.commitment) == (None, None, kept)


class Broken:
    """Stands before an os function and fails when told to."""

    def __init__(self, real, number):
        self.real, self.number, self.on = real, number, True

    def __call__(self, *args):
        if self.on:
            raise OSError(self.number, "broken")
        return self.real(*args)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("name", ["pwrite", "fdatasync"])
def test_a_failed_append_keeps_nothing_and_the_next_one_works(tmp_path, monkeypatch, name, number):
    one = made(tmp_path, [[b"a"]])
    batch, _ = encode([("gap", b"b")], first=1, at=5, salts=bytes(32))
    broken = Broken(getattr(module.os, name), number)
    monkeypatch.setattr(module.os, name, broken)
    for _ in range(2):
        with pytest.raises(OSError, match="kept nothing of this batch") as caught:
            one.append(batch, 1)
        assert caught.value.errno == number
        assert one.size == 1
    broken.on = False
    one.append(batch, 1)
    assert [s.body for s in one.scan(0, 2)] == [b"a", b"b"]
    one.close()


def test_a_segment_that_cannot_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 100)
    one = made(tmp_path, [[b"a"]])
    batch, _ = encode([("gap", b"b")], first=1, at=5, salts=bytes(32))
    broken = Broken(module.files.sync_directory, errno.ENOSPC)
    monkeypatch.setattr(module.files, "sync_directory", broken)
    with pytest.raises(OSError, match="disk is full"):
        one.append(batch, 1)
    broken.on = False
    one.append(batch, 1)
    assert [s.body for s in one.scan(0, 2)] == [b"a", b"b"]
    one.close()
    again = Journal(tmp_path)
    assert again.recover() == 0
    assert again.size == 2
    again.close()


def test_a_body_that_looks_like_a_record_does_not_stop_recovery(tmp_path):
    one = made(tmp_path, [[b"a"], [b"TJ1\n" + bytes(200)]])
    one.close()
    whole = segment(tmp_path).read_bytes()
    segment(tmp_path).write_bytes(whole[:-1])
    again = Journal(tmp_path)
    assert again.recover() > 0
    assert again.size == 1
    again.close()
