"""Erasure: a subject's bodies are gone, every proof stays, and the log says so."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from titer.core.errors import EvidenceError, InputError
from titer.evidence import journal, merkle, record
from titer.evidence.entry import commit
from titer.evidence.log import Log, View
from titer.evidence.owner import owner
from titer.evidence.subject_keys import SLOT, SubjectKeys

ORIGIN = "titer.test/erase"


def exchange(index: int, subject: str, org: str = "") -> tuple[str, bytes]:
    principal = {"id": subject} | ({"org": org} if org else {})
    return "exchange", json.dumps({"id": f"x{index}", "principal": principal}).encode()


@pytest.fixture
def mixed(tmp_path):
    """Two subjects, and one entry that belongs to nobody."""
    log = Log.open(tmp_path / "log", origin=ORIGIN)
    log.append([("start", b'{"at":1}')])
    log.append([exchange(i, f"p{i % 2}") for i in range(10)])
    log.append([("finding", b'{"id":"f","subject":"p1"}'), ("campaign", b'{"id":"c1"}')])
    log.checkpoint()
    yield log
    log.close()


def plain_bytes(directory):
    return b"".join(p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file())


def test_bodies_lie_sealed_and_are_read_as_they_were(mixed):
    on_disk = plain_bytes(mixed.directory / "bodies")
    assert b'"at":1' in on_disk
    assert b"principal" not in on_disk
    assert b'"p1"' not in on_disk
    view = View.open(mixed.directory)
    assert [s.body for s in view.scan(1, 3)] == [exchange(0, "p0")[1], exchange(1, "p1")[1]]
    for stored in view.scan():
        assert commit(stored.salt, stored.body) == stored.commitment
    view.check()


def test_an_erased_subject_is_gone_and_every_proof_stays(mixed):
    before = [(s.line, mixed.inclusion(s.index)) for s in mixed.scan()]
    old = mixed.head
    reader = View.open(mixed.directory)
    assert reader.read(2).body is not None
    index = mixed.erase("p1", reason="asked by the account", by="dpo")
    assert reader.read(2).body is None  # also for those who had it open
    mixed.checkpoint()
    gone = [s.index for s in mixed.scan() if s.body is None]
    assert gone == [2, 4, 6, 8, 10, 11]
    assert all(s.salt is None for s in mixed.scan() if s.body is None)
    told = json.loads(mixed.read(index).body)
    assert (told["subject"], told["reason"], told["by"]) == ("p1", "asked by the account", "dpo")
    for stored, (line, proof) in zip(mixed.scan(), before, strict=False):
        assert stored.line == line
        merkle.verify_inclusion(
            merkle.leaf_hash(line), proof, index=stored.index, size=old.size, root=old.root
        )
        merkle.verify_inclusion(
            stored.leaf, mixed.inclusion(stored.index), index=stored.index,
            size=mixed.head.size, root=mixed.head.root,
        )  # fmt: skip
    mixed.check()
    with pytest.raises(LookupError, match="nothing about p1"):
        mixed.erase("p1", reason="again")


def test_a_subject_that_comes_back_gets_another_key(mixed):
    mixed.erase("p1", reason="asked")
    first = mixed.append([exchange(20, "p1")])
    mixed.checkpoint()
    assert mixed.read(first).body == exchange(20, "p1")[1]
    assert mixed.read(2).body is None
    mixed.erase("p1", reason="asked again")
    assert mixed.read(first).body is None
    mixed.close()
    with Log.open(mixed.directory, origin=ORIGIN) as again:
        assert sum(s.kind == "erasure" for s in again.scan()) == 2
        assert again.keys.find("p1") is None
        assert again.keys.find("p0") is not None


def test_the_tiles_are_made_again_after_an_erasure(mixed):
    mixed.erase("p1", reason="asked")
    mixed.checkpoint()
    root = mixed.head.root
    mixed.close()
    shutil.rmtree(mixed.directory / "tile")
    with Log.open(mixed.directory, origin=ORIGIN) as again:
        assert again.head.root == root
        again.check()


def test_keys_that_came_back_from_a_copy_are_found(mixed):
    keys = mixed.directory / "keys" / "subjects"
    copy = keys.read_bytes()
    mixed.erase("p1", reason="asked")
    mixed.checkpoint()
    View.open(mixed.directory).check()
    mixed.close()
    keys.write_bytes(copy)
    with pytest.raises(EvidenceError, match="restored from a copy"):
        View.open(mixed.directory).check()
    with Log.open(mixed.directory, origin=ORIGIN) as log:
        assert log.erase_again() == 1
        assert log.erase_again() == 0
        log.check()
        assert log.read(2).body is None


def test_a_key_that_went_without_an_entry_is_found(mixed):
    keys = mixed.directory / "keys" / "subjects"
    mixed.erase("p1", reason="asked")  # not under a head yet: no false alarm
    View.open(mixed.directory).check()
    mixed.check()
    mixed.checkpoint()
    whole = bytearray(keys.read_bytes())
    (slot,) = [n for n in range(1, len(whole) // SLOT) if any(whole[n * SLOT : (n + 1) * SLOT])][
        :1
    ]
    whole[slot * SLOT : (slot + 1) * SLOT] = bytes(SLOT)
    mixed.close()
    keys.write_bytes(whole)
    with pytest.raises(EvidenceError, match="1 keys of subjects were destroyed, and no `erasure`"):
        View.open(mixed.directory).check()


def test_lost_damaged_and_foreign_keys_are_told_apart(mixed):
    keys = mixed.directory / "keys" / "subjects"
    mixed.close()
    whole = keys.read_bytes()
    keys.write_bytes(whole[: 2 * SLOT])
    with pytest.raises(EvidenceError, match="as new as the journal"):
        View.open(mixed.directory).read(2)
    keys.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(EvidenceError, match="slot 0 is damaged"):
        View.open(mixed.directory).read(1)
    keys.unlink()
    with pytest.raises(EvidenceError, match="keys are not here"):
        View.open(mixed.directory).read(1)
    keys.write_bytes(whole[:SLOT] + whole[2 * SLOT : 3 * SLOT] + whole[SLOT : 2 * SLOT])
    with pytest.raises(EvidenceError, match="holds another key"):
        View.open(mixed.directory).read(1)
    keys.write_bytes(b"what?")
    with pytest.raises(EvidenceError, match="no file of keys"):
        View.open(mixed.directory)


def old_journal(directory, count=30):
    """A log as version 0.1.0 wrote it: nothing sealed, no keys."""
    with Log.open(directory, origin=ORIGIN) as log:
        log.append([("start", b"{}")])
    shutil.rmtree(directory / "keys")
    log = Log.open(directory, origin=ORIGIN)
    real, record.owner = record.owner, lambda *_: ""
    try:
        log.append([exchange(i, f"p{i % 3}") for i in range(count)])
    finally:
        record.owner = real
    log.close()
    shutil.rmtree(directory / "keys")


def test_a_journal_of_an_older_version_is_sealed_once_and_keeps_its_root(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1500)
    old_journal(tmp_path)
    with Log.open(tmp_path, origin=ORIGIN) as log:
        root = log.head.root
        assert log.keys.sealed_from == 31
        log.append([exchange(30, "p0")])
        with pytest.raises(InputError, match="titer log seal"):
            log.erase("p1", reason="asked")
        assert log.seal() == 30
        assert log.seal() == 0
        log.append([exchange(31, "p1")])
        log.erase("p1", reason="asked")
        log.checkpoint()
        log.check()
    with Log.open(tmp_path, origin=ORIGIN) as log:
        assert log.keys.sealed_from == 0
        view = View.open(tmp_path)
        gone = [s.index for s in view.scan() if s.body is None]
        assert gone == [*range(2, 32, 3), 32]
        assert view.consistency(31)
        assert view.head.size == 34
        assert b"principal" not in plain_bytes(tmp_path / "bodies")
        proof = log.consistency(31)
        merkle.verify_consistency(proof, old=31, new=34, old_root=root, new_root=log.head.root)


def test_keys_are_found_by_tag_after_opening_and_torn_slots_are_cut_off(tmp_path):
    keys = SubjectKeys.create(tmp_path, 0)
    slots = {f"s{i}": keys.slot_of(f"s{i}") for i in range(500)}
    keys.sync()
    keys.destroy([7, 9])
    keys.close()
    with (tmp_path / "subjects").open("ab") as file:
        file.write(b"torn")
    again = SubjectKeys.create(tmp_path, 99)
    assert again.sealed_from == 0
    assert again.slots == 500
    assert os.stat(tmp_path / "subjects").st_size == 501 * SLOT
    assert [again.find(f"s{i}") for i in (7, 9)] == [None, None]
    assert all(again.slot_of(s) == n for s, n in slots.items() if n not in (7, 9))
    assert again.slot_of("s7") == 500
    again.close()
    again.close()
    assert SubjectKeys.read(tmp_path / "none") is None
    assert oct((tmp_path / "subjects").stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize(
    ("kind", "body", "whose"),
    [
        *((k, b, w) for (k, b), w in [(exchange(1, "p"), "p"), (exchange(1, "p", "o"), "o")]),
        ("finding", b'{"subject":"s"}', "s"),
        ("decision", b'{"subject":"s"}', "s"),
        ("campaign", b'{"id":"c","subject":"s"}', ""),
        ("case", b'{"case":"k","id":"n"}', "k"),
        ("start", b'{"subject":"s"}', ""),
        ("exchange", b'{"principal":5}', ""),
        ("finding", b"\xff", ""),
        ("exchange", b"{}", ""),
    ],
)
def test_whose_a_body_is(kind, body, whose):
    assert owner(kind, body) == whose
