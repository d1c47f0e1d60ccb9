"""Keys of a log: one takes over from another, with overlap, whole or not at all."""

from __future__ import annotations

import json
import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from titer.core.errors import EvidenceError, InputError
from titer.evidence import checkpoint, keyring, note
from titer.evidence.log import Log, View

ORIGIN = "titer.test/keys"
HOUR = 3_600_000_000


@pytest.fixture
def log(tmp_path):
    log = Log.open(tmp_path, origin=ORIGIN)
    log.append([("start", b"{}")])
    log.checkpoint()
    yield log
    log.close()


def test_both_keys_sign_while_they_overlap_and_readers_accept_either(log):
    old = log.verifier
    rotation = log.rotate(overlap=HOUR)
    signed = log.checkpoint().encode()
    new = log.verifier
    assert (rotation.old, rotation.new) == (old, new)
    assert old != new
    for known in ([old], [new], [new, old]):
        assert checkpoint.read(signed, known).size == 2
    stored = View.open(log.directory).read(rotation.index)
    assert stored.kind == "rotation"
    told = json.loads(stored.body)
    assert (told["old"], told["new"], told["note"]) == (str(old), str(new), rotation.signed)
    assert stat.S_IMODE(os.stat(log.directory / "log.key.old").st_mode) == 0o600


def test_after_the_overlap_only_the_new_key_signs_and_the_old_one_is_gone(log, monkeypatch):
    old = log.verifier
    rotation = log.rotate(overlap=HOUR)
    monkeypatch.setattr(keyring.time, "time_ns", lambda: (rotation.until + 1) * 1000)
    log.append([("start", b"{}")])
    signed = log.checkpoint().encode()
    assert checkpoint.read(signed, [log.verifier]).size == 3
    with pytest.raises(EvidenceError, match="no signature by a known key"):
        checkpoint.read(signed, [old])
    log.close()
    with Log.open(log.directory, origin=ORIGIN) as again:
        assert not (log.directory / "log.key.old").exists()
        again.append([("start", b"{}")])
        again.rotate(overlap=0)
        again.checkpoint()
        assert len(keyring.read_rotations(log.directory)) == 2
    assert View.open(log.directory).size == 5


def test_whoever_pinned_an_old_key_can_follow(log):
    first = log.verifier
    log.rotate(overlap=0)
    log.rotate(overlap=HOUR)
    rotations = keyring.read_rotations(log.directory)
    second, third = rotations[0].new, rotations[1].new
    now = rotations[1].at
    for pinned in (first, second, third):
        assert keyring.follow(pinned, rotations, now) == (third, second)
    assert keyring.follow(first, rotations, rotations[1].until) == (third,)
    assert keyring.follow(first, (), now) == (first,)
    assert set(keyring.every(log.directory)) == {first, second, third}
    with pytest.raises(EvidenceError, match="none of this log's"):
        keyring.follow(note.Signer.generate(ORIGIN).verifier, rotations, now)
    with pytest.raises(EvidenceError, match="no chain"):
        keyring.check_chain(rotations[::-1])


def test_a_head_by_the_key_before_counts_until_there_is_a_newer_one(log):
    before = (log.directory / "checkpoint").read_bytes()
    rotation = log.rotate(overlap=0)
    after = (log.directory / "checkpoint").read_bytes()
    assert checkpoint.read(after, [rotation.new]).size == 2  # published with the rotation
    (log.directory / "checkpoint").write_bytes(before)  # as a crash in between leaves it
    assert View.open(log.directory).size == 1
    thief = checkpoint.Checkpoint(origin=ORIGIN, size=2, root=bytes(32))
    old = note.Signer(ORIGIN, Ed25519PrivateKey.generate())
    (log.directory / "checkpoint").write_text(thief.sign(old))
    with pytest.raises(EvidenceError, match="no signature by a known key"):
        View.open(log.directory)
    (log.directory / "checkpoint").write_bytes(after)


def test_a_retired_key_signs_nothing_new(tmp_path):
    with Log.open(tmp_path, origin=ORIGIN) as log:
        log.append([("start", b"{}")])
        old = log.signer()
        log.rotate(overlap=0)
    later = checkpoint.Checkpoint(origin=ORIGIN, size=9, root=bytes(32))
    (tmp_path / "checkpoint").write_text(later.sign(old))
    with pytest.raises(EvidenceError, match="the one here has ended"):
        View.open(tmp_path)


def test_a_second_rotation_waits_for_the_first(log):
    log.rotate(overlap=HOUR)
    with pytest.raises(InputError, match="still overlaps"):
        log.rotate(overlap=HOUR)


def test_a_forged_rotation_is_refused(log):
    log.rotate(overlap=HOUR)
    path = log.directory / "rotations" / "1"
    whole = path.read_text()
    thief = note.Signer.generate(ORIGIN)
    text = whole.partition("\n\n")[0] + "\n"
    forged = text.replace(str(log.verifier), str(thief.verifier))
    cases = {
        note.sign(forged, thief): "signed by the old and the new",
        whole.replace("index 1\n", "index 0\n"): "does not hold",
        whole.replace("v1", "v2"): "not a note about a key",
        whole + "x" * 9000: "larger than",
    }
    for changed, words in cases.items():
        path.write_text(changed)
        with pytest.raises(EvidenceError, match=words):
            View.open(log.directory)
    path.write_text(whole)
    View.open(log.directory)


def test_a_crash_at_every_call_of_a_rotation_leaves_one_key_or_the_other(tmp_path, stopping):
    disk = stopping()
    outcomes = set()
    for number in range(100):
        directory = tmp_path / str(number)
        disk.left = -1
        log = Log.open(directory, origin=ORIGIN)
        log.append([("start", b"{}")])
        log.checkpoint()
        old = log.verifier
        disk.left = number
        try:
            log.rotate(overlap=HOUR)
        except disk.Crash:
            disk.left = -1
            log.abandon()
        else:
            break
        with Log.open(directory, origin=ORIGIN) as after:
            after.append([("start", b"{}")])
            after.checkpoint()
            rotated = after.verifier != old
            outcomes.add(rotated)
            kinds = [s.kind for s in after.scan()]
            assert kinds == ["start", "rotation", "start"] if rotated else ["start", "start"]
            assert checkpoint.read(after.signed_head.encode(), [old]).size == len(kinds)
            assert not (directory / "log.key.next").exists()
    assert outcomes == {True, False}
    assert number > 8


@pytest.mark.parametrize("overlap", [-1, keyring.MAX_OVERLAP + 1, 10**30])
def test_an_overlap_that_no_note_can_say_leaves_the_log_as_it_is(log, overlap):
    before = log.verifier
    with pytest.raises(InputError, match="at most ten years"):
        log.rotate(overlap=overlap)
    log.close()
    with Log.open(log.directory) as again:
        assert again.verifier == before
