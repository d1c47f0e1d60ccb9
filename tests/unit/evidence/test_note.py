"""Signed notes: the exact bytes of C2SP, and every way in which a note is refused."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from titer.core.errors import EvidenceError
from titer.evidence import note

NAME = "titer.test/note"
TEXT = "one line\nanother, with an \u00e9\n"


def signer(seed: int = 1, name: str = NAME) -> note.Signer:
    return note.Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def test_a_note_is_what_its_key_signed():
    made = note.sign(TEXT, signer())
    found = note.read(made.encode(), [signer().verifier])
    assert found == note.Note(TEXT, (NAME,))
    assert made.startswith(TEXT + "\n\u2014 " + NAME + " ")
    assert made == note.sign(TEXT, signer())  # Ed25519 is deterministic: one note, one spelling


def test_the_example_key_of_the_specification_has_its_id():
    # The example of golang.org/x/mod/sumdb/note (BSD-3-Clause), also in C2SP signed-note.
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert str(note.Verifier.parse(key)) == key


def test_keys_survive_being_written_down():
    one = signer()
    again = note.Signer.from_pem(NAME, one.to_pem())
    assert again.verifier == one.verifier
    assert note.Verifier.parse(str(one.verifier)) == one.verifier
    assert len({one.verifier, again.verifier, signer(2).verifier}) == 2
    assert one.verifier != "x"
    assert note.Signer.generate(NAME).verifier != one.verifier


def test_several_signatures_count_once_each_and_unknown_ones_not():
    a, b, c = signer(1), signer(2, "titer.test/b"), signer(3, "titer.test/c")
    made = note.sign(TEXT, a, b, c)
    found = note.read(made.encode(), [c.verifier, a.verifier])
    assert found.signed_by == (NAME, "titer.test/c")
    doubled = made + made.rstrip("\n").rsplit("\n", 3)[1] + "\n"
    assert note.read(doubled.encode(), [a.verifier]).signed_by == (NAME,)


def test_a_wrong_signature_by_a_known_key_refuses_even_beside_a_good_one():
    a, b = signer(1), signer(2, "titer.test/b")
    good, other = note.sign(TEXT, a, b), note.sign("else\n", b)
    forged = good.replace(good.splitlines()[-1], other.splitlines()[-1])
    assert note.read(forged.encode(), [a.verifier]).signed_by == (NAME,)
    with pytest.raises(EvidenceError, match="does not hold"):
        note.read(forged.encode(), [a.verifier, b.verifier])


def test_nobody_known_signed():
    made = note.sign(TEXT, signer(1)).encode()
    for known in ([], [signer(2).verifier], [signer(1, "titer.test/other").verifier]):
        with pytest.raises(EvidenceError, match="no signature by a known key"):
            note.read(made, known)


def test_two_known_keys_under_one_id_are_refused(monkeypatch):
    monkeypatch.setattr(note, "key_id", lambda *_: b"same")
    keys = [signer(1).verifier, signer(2).verifier]
    with pytest.raises(EvidenceError, match="share a name"):
        note.read(note.sign(TEXT, signer(1)).encode(), keys)


def test_every_changed_bit_of_a_note_is_refused():
    made = note.sign(TEXT, signer()).encode()
    for i in range(len(made) * 8):
        bad = bytearray(made)
        bad[i // 8] ^= 1 << (i % 8)
        with pytest.raises(EvidenceError):
            note.read(bytes(bad), [signer().verifier])


LINE = note.sign(TEXT, signer()).splitlines()[-1]
WIDE = "a\u2003b"
BLOB = base64.b64decode(LINE.split(" ")[2])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x" * (note.MAX_NOTE + 1), "larger"),
        (b"\xff\n\n", "UTF-8"),
        (TEXT.encode(), "empty line"),
        (f"{TEXT}\n{LINE}".encode(), "newline"),
        (f"{TEXT}\n\n".encode(), "newline"),
        (f"{TEXT}\n{LINE}\n \n".encode(), "malformed signature line"),
        (f"{TEXT}\n{LINE}\nx\n".encode(), "malformed signature line"),
        (f"{TEXT}\n\u2014 {NAME}\n".encode(), "malformed signature line"),
        (f"{TEXT}\n{LINE.replace(NAME, 'a+b')}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE.replace(NAME, '')}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE.replace(NAME, WIDE)}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE}!\n".encode(), "base64"),
        (f"{TEXT}\n{LINE}\n{LINE[:-1]}\n".encode(), "base64"),
        (f"{TEXT}\n\u2014 {NAME} AAAA\n".encode(), "too short"),
        (f"tab\there\n\n{LINE}\n".encode(), "control"),
        (f"\x7f\u0085\n\n{LINE}\n".encode(), "does not hold"),
        (f"{TEXT}\n{(LINE + chr(10)) * 101}".encode(), "more than 100"),
        (f"{'x' * 500_001}\n\n{LINE}\n".encode(), "too long"),
        (f"{TEXT}\n\u2014 {NAME} {base64.b64encode(BLOB[:-1]).decode()}\n".encode(), "not hold"),
    ],
)
def test_a_malformed_note_is_refused(data, message):
    with pytest.raises(EvidenceError, match=message):
        note.read(data, [signer().verifier])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "name+00000000",
        "n+m+00000000+AAAA",
        f"{NAME}+00000000+" + str(signer().verifier).split("+", 2)[2],
        str(signer().verifier).upper(),
        str(signer().verifier) + "\n",
        str(signer().verifier)[:-4],
        "x" * 600,
        "a b+" + str(signer().verifier).split("+", 1)[1],
        NAME + "+00000000+" + base64.b64encode(b"\x04" + b"k" * 32).decode(),
        NAME + "+00000000+" + base64.b64encode(b"\x01" + b"k" * 31).decode(),
    ],
)
def test_a_malformed_verifier_key_is_refused(key):
    with pytest.raises(EvidenceError, match=r"verifier key|base64"):
        note.Verifier.parse(key)


def test_what_cannot_be_signed():
    with pytest.raises(ValueError, match="at least one"):
        note.sign(TEXT)
    for text in ("no newline", "a\rb\n", ""):
        with pytest.raises(ValueError, match="the text"):
            note.sign(text, signer())
    for name in ("", "a b", "a+b", "x" * 256, "a\x00b"):
        with pytest.raises(ValueError, match="key name"):
            signer(1, name)


def test_only_an_ed25519_key_is_a_log_key():
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    locked = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    for pem in (other, locked, b"", b"not a key"):
        with pytest.raises(EvidenceError, match="log key"):
            note.Signer.from_pem(NAME, pem)
