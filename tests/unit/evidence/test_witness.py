"""Witnesses: what they cosign, what they refuse, and what a reader asks of their cosignatures."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from titer.core.errors import EvidenceError, InputError
from titer.evidence import checkpoint, cosignature, heads, note, tlog_proof, witness
from titer.evidence.cosignature import Cosigner, Witness
from titer.evidence.log import Log
from titer.evidence.witness import WitnessState, create, form, parse

ORIGIN = "titer.test/witnessed"
NOW = 1_764_000_000


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "log", origin=ORIGIN) as log:
        log.append([("start", b"%d" % i) for i in range(5)])
        log.checkpoint()
        yield log


@pytest.fixture
def state(tmp_path, log):
    create(tmp_path / "w", "witness.test/w1")
    state = WitnessState(tmp_path / "w")
    state.trust([log.verifier])
    yield state
    state.close()


def ask(state, log, old, now=NOW):
    proof = log.consistency(old) if 0 < old < log.head.size else []
    return state.add_checkpoint(form(old, proof, log.signed_head), now=now)


def grow(log, count=3):
    log.append([("start", b"more")] * count)
    log.checkpoint()


def test_a_witness_cosigns_a_log_as_it_grows(state, log):
    for size in (0, 5, 8):
        answer = ask(state, log, size)
        assert answer.status == 200
        whole = cosignature.add(log.signed_head, answer.body.decode()).encode()
        (one,) = cosignature.cosignatures(whole, [state.cosigners[0].witness])
        assert (one.name, one.at) == ("witness.test/w1", NOW)
        assert checkpoint.read(whole, [log.verifier]).size == log.head.size
        grow(log)
    digest = hashlib.sha256(ORIGIN.encode()).hexdigest()
    shown = state.head(digest)
    assert checkpoint.read(shown.body, [log.verifier]).size == 11
    assert state.head("0" * 64).status == 404
    assert state.known() == [(ORIGIN, 11, NOW)]
    assert state.conflicts() == []


def test_the_same_head_is_cosigned_again_and_no_clock_goes_back(state, log):
    assert ask(state, log, 0).status == 200
    again = ask(state, log, 5, now=NOW - 1000)
    whole = (log.signed_head + again.body.decode()).encode()
    (one,) = cosignature.cosignatures(whole, [state.cosigners[0].witness])
    assert one.at == NOW


def test_a_rollback_and_a_split_view_get_no_cosignature(state, log, tmp_path):
    older = log.signed_head
    grow(log)
    assert ask(state, log, 0).status == 200
    rolled = state.add_checkpoint(form(0, [], older), now=NOW)
    assert (rolled.status, rolled.body, rolled.content_type) == (409, b"8\n", "text/x.tlog.size")
    assert state.add_checkpoint(form(8, [], older), now=NOW).status == 400
    with Log.open(tmp_path / "other", origin="titer.test/x") as other:
        other.append([("start", b"other")] * 9)
        other.checkpoint()
        head = other.head
    for size in (8, 9):
        fork = checkpoint.Checkpoint(origin=ORIGIN, size=size, root=head.root)
        signed = fork.sign(log.signer())
        proof = [head.root] if size == 9 else []
        assert state.add_checkpoint(form(8, proof, signed), now=NOW).status == 422
    conflicts = state.conflicts()
    assert [c[2] for c in conflicts] == ["two roots for one size", "no consistency"]
    for _, _, _, kept, shown in conflicts:
        one, two = (checkpoint.read(t.encode(), [log.verifier]) for t in (kept, shown))
        assert one.root != two.root
    assert ask(state, log, 8).status == 200


def test_strangers_and_nonsense_are_told_apart(state, log):
    thief = note.Signer.generate(ORIGIN)
    stranger = note.Signer.generate("titer.test/unknown")
    body = log.head.body()
    unknown = body.replace(ORIGIN, "titer.test/unknown")
    cases = [
        (form(0, [], note.sign(unknown, stranger)), 404),
        (form(0, [], note.sign(body, thief)), 403),
        (form(0, [bytes(32)], log.signed_head), 422),
        (b"", 400),
        (b"old 0\n\n", 400),
        (b"old 00\n\n" + log.signed_head.encode(), 400),
        (b"old -1\n\n" + log.signed_head.encode(), 400),
        (b"old 0\nnot a hash\n\n" + log.signed_head.encode(), 400),
        (b"old 0\nAAAA\n\n" + log.signed_head.encode(), 400),
        (form(0, [bytes(32)] * 64, log.signed_head), 400),
        (b"old 0\n\xff\n\n" + log.signed_head.encode(), 400),
        (b"x" * (witness.MAX_REQUEST + 1), 400),
    ]
    for request, status in cases:
        assert state.add_checkpoint(request, now=NOW).status == status
    assert state.known()[0][1] == 0


def test_a_request_reads_as_it_was_written(log):
    request = parse(form(3, [b"a" * 32, b"b" * 32], log.signed_head))
    assert (request.old, request.proof) == (3, (b"a" * 32, b"b" * 32))
    assert request.signed == log.signed_head.encode()


def test_the_state_outlives_the_process(state, log, tmp_path):
    assert ask(state, log, 0).status == 200
    state.close()
    again = WitnessState(tmp_path / "w")
    assert ask(again, log, 0).status == 409
    again.close()
    with pytest.raises(InputError, match="holds a witness already"):
        create(tmp_path / "w", "x")
    with pytest.raises(InputError, match="titer witness create"):
        WitnessState(tmp_path)


def test_a_rotated_log_is_cosigned_under_either_key(state, log):
    log.rotate(overlap=10**12)
    log.checkpoint()
    assert ask(state, log, 0).status == 200  # the witness knows the old key
    state.trust([log.verifier])
    grow(log)
    assert ask(state, log, 6).status == 200


def cosigned(log, count=3, at=NOW):
    signers = [Cosigner(f"w{i}", Ed25519PrivateKey.generate()) for i in range(count)]
    signed = log.signed_head + "".join(s.line(log.head.body(), at) for s in signers)
    return signed, [s.witness for s in signers]


def test_a_quorum_is_counted_of_known_fresh_witnesses(log):
    signed, known = cosigned(log)
    data = signed.encode()
    assert len(cosignature.require(data, known, 3, now=NOW)) == 3
    assert len(cosignature.require(data, known[:1], 1, now=NOW)) == 1
    with pytest.raises(EvidenceError, match="2 cosignatures, and you ask for 3"):
        cosignature.require(data, known[:2], 3, now=NOW)
    with pytest.raises(EvidenceError, match="stale"):
        cosignature.require(data, known, 3, now=NOW + 101, stale=100)
    assert cosignature.require(data, known, 3, now=NOW + 100, stale=100)
    with pytest.raises(EvidenceError, match="future"):
        cosignature.require(data, known, 3, now=NOW - cosignature.AHEAD - 1)


def test_a_cosignature_of_another_head_or_time_is_refused(log):
    signer = Cosigner("w", Ed25519PrivateKey.generate())
    body = log.head.body()
    for line in (signer.line(body.replace("5", "6"), NOW), signer.line(ORIGIN, NOW)):
        with pytest.raises(EvidenceError, match="does not hold"):
            cosignature.cosignatures((log.signed_head + line).encode(), [signer.witness])
    blob = signer.witness.key_id + (NOW + 1).to_bytes(8, "big") + bytes(64)
    for wrong, words in ((blob, "does not hold"), (blob[:-1], "wrong length")):
        data = (log.signed_head + note.line("w", wrong)).encode()
        with pytest.raises(EvidenceError, match=words):
            cosignature.cosignatures(data, [signer.witness])
        assert cosignature.cosignatures(data, []) == ()


def hybrid(name="w"):
    """A witness with both keys under one name."""
    return (
        Cosigner(name, Ed25519PrivateKey.generate()),
        Cosigner(name, MLDSA44PrivateKey.generate()),
    )


def test_a_witness_makes_both_kinds_and_an_older_one_is_given_the_second(state, log, tmp_path):
    ed, ml = (one.witness for one in state.cosigners)
    assert (ed.kind, ml.kind, ed.name) == (4, 6, ml.name)
    assert (tmp_path / "w" / "witness.ml-dsa.pub").read_text().strip() == str(ml)
    assert (tmp_path / "w" / "witness.ml-dsa.key").stat().st_mode & 0o077 == 0
    answer = ask(state, log, 0)
    whole = cosignature.add(log.signed_head, answer.body.decode()).encode()
    assert [c.key for c in cosignature.cosignatures(whole, [ed, ml])] == [str(ed), str(ml)]
    assert len(whole) < checkpoint.MAX_CHECKPOINT // 16
    with pytest.raises(InputError, match="already"):
        witness.add_ml_dsa(tmp_path / "w")
    (tmp_path / "w" / "witness.ml-dsa.key").unlink()
    older = WitnessState(tmp_path / "w")
    assert len(older.cosigners) == 1
    assert ask(older, log, 5).body.count(b"\n") == 1
    made = witness.add_ml_dsa(tmp_path / "w")
    assert made.witness != ml
    older.close()
    with pytest.raises(InputError, match="titer witness create"):
        witness.add_ml_dsa(tmp_path / "none")
    (tmp_path / "w" / "witness.ml-dsa.key").write_bytes((tmp_path / "w/witness.key").read_bytes())
    with pytest.raises(EvidenceError, match="not an ML-DSA-44 key"):
        WitnessState(tmp_path / "w")


def test_a_monitor_gets_the_log_and_our_lines_and_no_others(state, log):
    """C2SP tlog-witness, Monitor Retrieval Mechanism."""
    stranger = Cosigner("stranger", Ed25519PrivateKey.generate())
    signed = log.signed_head + stranger.line(log.head.body(), NOW)
    assert state.add_checkpoint(form(0, [], signed), now=NOW).status == 200
    shown = state.head(hashlib.sha256(ORIGIN.encode()).hexdigest()).body
    assert b"stranger" not in shown
    known = [one.witness for one in state.cosigners]
    assert len(cosignature.cosignatures(shown, known)) == 2
    assert checkpoint.read(shown, [log.verifier]).size == 5


def test_a_witness_with_two_keys_counts_once(log):
    both, other = hybrid("w0"), Cosigner("w1", Ed25519PrivateKey.generate())
    signed = log.signed_head + "".join(c.line(log.head.body(), NOW) for c in (*both, other))
    known = [c.witness for c in (*both, other)]
    assert len(cosignature.require(signed.encode(), known, 2, now=NOW)) == 3
    with pytest.raises(EvidenceError, match="2 cosignatures, and you ask for 3"):
        cosignature.require(signed.encode(), known, 3, now=NOW)
    with pytest.raises(EvidenceError, match="1 cosignatures, and you ask for 2"):
        cosignature.require(signed.encode(), known[:2], 2, now=NOW)


def test_another_implementation_verifies_what_ml_dsa_signs(log):
    """FIPS 204 in Python, none of it ours, over the structure as C2SP draws it."""
    ml_dsa = pytest.importorskip("dilithium_py.ml_dsa").ML_DSA_44
    _, signer = hybrid("witness.test/w1")
    body = log.head.body()
    _, ((_, key_id, blob),) = note.split(f"x\n\n{signer.line(body, NOW)}".encode())
    name, origin = b"witness.test/w1", ORIGIN.encode()
    message = (
        b"subtree/v1\n\x00" + len(name).to_bytes(1, "big") + name + NOW.to_bytes(8, "big")
        + len(origin).to_bytes(1, "big") + origin + bytes(8) + (5).to_bytes(8, "big")
        + log.head.root
    )  # fmt: skip
    public = signer.witness.raw
    assert len(public) == 1312
    assert key_id == hashlib.sha256(name + b"\n\x06" + public).digest()[:4]
    assert blob[:8] == NOW.to_bytes(8, "big")
    assert ml_dsa.verify(public, message, blob[8:])
    assert not ml_dsa.verify(public, message + b"x", blob[8:])
    mine, secret = ml_dsa.keygen()
    theirs = Witness("witness.test/w1", MLDSA44PublicKey.from_public_bytes(mine))
    signed = NOW.to_bytes(8, "big") + ml_dsa.sign(secret, cosignature.message(theirs, body, NOW))
    assert theirs.verify(body, signed) == NOW


def test_an_ml_dsa_cosignature_of_another_head_name_or_time_is_refused(log):
    _, signer = hybrid()
    body, known = log.head.body(), signer.witness
    _, ((_, _, blob),) = note.split(f"x\n\n{signer.line(body, NOW)}".encode())
    assert known.verify(body, blob) == NOW
    other = Witness("v", known.public)
    for whose, what, given, said in (
        (known, body.replace("5", "6"), blob, "does not hold"),
        (known, body.replace(ORIGIN, "titer.test/x"), blob, "does not hold"),
        (other, body, blob, "does not hold"),
        (known, body, (NOW + 1).to_bytes(8, "big") + blob[8:], "does not hold"),
        (known, body, bytes(8) + blob[8:], "no possible time"),
        (known, body, b"\xff" * 8 + blob[8:], "no possible time"),
        (known, body, blob[:-1], "wrong length"),
        (known, body, blob[:72], "wrong length"),
        (known, ORIGIN + "\n", blob, "expected exactly origin"),
    ):
        with pytest.raises(EvidenceError, match=said):
            whose.verify(what, given)
    assert Witness.parse(str(known)) == known
    with pytest.raises(EvidenceError, match="key id"):
        Witness.parse(str(known).replace("w+", "u+", 1))
    with pytest.raises(EvidenceError, match="too long"):
        Witness.parse("w" * 4000)
    long = Cosigner("\u00e9" * 200, MLDSA44PrivateKey.generate())
    with pytest.raises(EvidenceError, match="at most 255 bytes"):
        long.line(body, NOW)


def test_witness_keys_are_read_as_written_and_are_no_log_keys(log):
    key = Cosigner("w.test/1", Ed25519PrivateKey.generate()).witness
    assert Witness.parse(f"{key}\n") == key
    assert len({key, Witness.parse(str(key))}) == 1
    with pytest.raises(EvidenceError, match="type 4"):
        Witness.parse(str(log.verifier))
    with pytest.raises(EvidenceError, match="type 1"):
        note.Verifier.parse(str(key))


def test_heads_that_others_vouch_for_are_kept(log):
    kept = heads.keep(log.directory, 5, log.signed_head)
    signed, known = cosigned(log, 2)
    kept = heads.keep(log.directory, 5, signed)
    assert len(cosignature.cosignatures(kept.signed.encode(), known)) == 2
    assert heads.keep(log.directory, 5, log.signed_head).signed == kept.signed
    assert kept.stamped() == log.signed_head.encode()
    heads.keep_token(log.directory, 5, "tsa", b"token")
    grow(log)
    heads.keep(log.directory, 8, log.signed_head)
    assert log.vouched_sizes() == [5, 8]
    assert [log.vouched_for(i).size for i in (0, 4, 5, 7)] == [5, 5, 8, 8]
    assert log.vouched_for(8) is None
    assert log.vouched(5).tokens == {"tsa": b"token"}
    fork = checkpoint.Checkpoint(origin=ORIGIN, size=8, root=bytes(32)).sign(log.signer())
    with pytest.raises(EvidenceError, match="split view"):
        heads.keep(log.directory, 8, fork)
    with pytest.raises(ValueError, match="stamper's name"):
        heads.keep_token(log.directory, 5, "../x", b"token")
    with pytest.raises(EvidenceError, match="no head of size 6"):
        log.vouched(6)


def test_of_each_witness_the_first_cosignature_of_a_head_stays(log):
    signer = Cosigner("w", Ed25519PrivateKey.generate())
    signed = log.signed_head
    for at in (NOW, NOW + 60, NOW + 120):
        signed = cosignature.add(signed, signer.line(log.head.body(), at))
    assert signed.count("\u2014 w ") == 1
    assert cosignature.cosignatures(signed.encode(), [signer.witness])[0].at == NOW
    assert cosignature.add(signed, signed.partition("\n\n")[2]) == signed


def test_a_proof_file_is_verified_offline(log):
    signed, known = cosigned(log, 2)
    heads.keep(log.directory, 5, signed)
    grow(log, 300)
    line = log.read(3).line
    newest = log.proof(3).encode()
    vouched = log.proof(3, 5).encode()
    proven = tlog_proof.verify(newest, [log.verifier])
    assert (proven.index, proven.entry, proven.head.size) == (3, line, 305)
    proven = tlog_proof.verify(
        vouched, [log.verifier], entry=line, witnesses=known, quorum=2, now=NOW
    )
    assert [c.name for c in proven.cosigned] == ["w0", "w1"]
    with pytest.raises(EvidenceError, match="0 cosignatures"):
        tlog_proof.verify(newest, [log.verifier], witnesses=known, quorum=1, now=NOW)
    with pytest.raises(EvidenceError, match="another root"):
        tlog_proof.verify(newest, [log.verifier], entry=log.read(4).line)
    with pytest.raises(EvidenceError, match="known key"):
        tlog_proof.verify(newest, [note.Signer.generate(ORIGIN).verifier])
    assert tlog_proof.write(tlog_proof.read(newest)).encode() == newest
    with pytest.raises(IndexError, match="no entry 305"):
        log.proof(305)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2", "begin with"),
        ("index 3\n", "index 03\n", "index"),
        ("index 3\n", "", "index"),
        ("index 3\n", "index 3\nAAAA\n", "no hash"),
        ("index 3\n", "index 3\n" + "A" * 43 + "=\n", "too long|another root"),
        ("index 3\n", "index 2\n", "another root"),
        ("\n\n", "\n", "begin with|index|base64|note"),
        ("extra ", "extra  ", "base64"),
    ],
)
def test_a_changed_proof_is_refused(log, old, new, words):
    text = log.proof(3)
    assert old in text
    with pytest.raises(EvidenceError, match=words):
        tlog_proof.verify(text.replace(old, new, 1).encode(), [log.verifier])


def test_a_proof_without_its_entry_needs_one(log):
    text = "\n".join(line for line in log.proof(3).split("\n") if not line.startswith("extra"))
    with pytest.raises(EvidenceError, match="give the entry"):
        tlog_proof.verify(text.encode(), [log.verifier])
    assert tlog_proof.verify(text.encode(), [log.verifier], entry=log.read(3).line).index == 3
    with pytest.raises(EvidenceError, match="larger than"):
        tlog_proof.read(b"x" * (tlog_proof.MAX_PROOF + 1))
    with pytest.raises(EvidenceError, match="UTF-8"):
        tlog_proof.read(b"\xff\n\n")
