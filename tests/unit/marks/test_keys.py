"""Keys of marks: derivation, commitments, rotation, the file, escrow."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from titer.core.errors import ConfigError, InputError
from titer.marks import keystore
from titer.marks.keys import Epoch, KeyRing, derived, fresh, issued


@pytest.fixture
def ring():
    return KeyRing((Epoch(number=1, master=bytes(range(32)), created=5),))


def pem(key):
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


def test_a_key_is_the_hmac_of_account_and_epoch(ring):
    key = ring.key("acct")
    expected = hmac.digest(
        bytes(range(32)), b"titer mark\x00acct\x00" + (1).to_bytes(8), hashlib.sha256
    )
    assert key.secret == expected
    assert key.engine == int.from_bytes(expected[:8])
    assert key.commitment == hashlib.sha256(b"titer mark key v1\x00" + expected).hexdigest()
    assert key.id == key.commitment[:16]
    entry = issued(key, 9)
    assert (entry.account, entry.epoch, entry.commitment) == ("acct", 1, key.commitment)


def test_accounts_and_epochs_have_keys_of_their_own(ring):
    two = ring.rotated(7)
    keys = {two.key(a, e).engine for a in ("a", "b", "ab") for e in (1, 2)}
    assert len(keys) == 6
    assert two.key("a", 1) == ring.key("a")
    assert two.key("a").epoch == 2
    assert two.current.commitment != two.epoch(1).commitment
    with pytest.raises(KeyError):
        ring.key("a", 9)


def test_a_leaked_master_is_noted_and_says_nothing_of_the_next(ring):
    two = ring.rotated(7, leaked=True)
    assert two.epoch(1).leaked == 7
    assert two.current.leaked == 0
    assert two.current.master != two.epoch(1).master


def test_rings_that_are_none_are_refused(ring):
    one = ring.current
    for bad in ((), (one, one), (Epoch(number=1, master=b"short", created=1),),
                (fresh(2, 1), fresh(1, 1))):  # fmt: skip
        with pytest.raises(ValueError, match="ring|master"):
            KeyRing(bad)


def test_two_keys_of_one_are_derived_as_vllm_does():
    digest = hashlib.sha256(b"key_a" + (77).to_bytes(8)).digest()
    assert derived(77, b"key_a") == int.from_bytes(digest[:8])


def test_the_file_keeps_the_ring_for_its_user_alone(tmp_path, ring):
    keystore.create(tmp_path, ring)
    path = keystore.where(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keystore.load(tmp_path).epochs == ring.epochs
    keystore.save(tmp_path, ring.rotated(8, leaked=True))
    assert [e.number for e in keystore.load(tmp_path).epochs] == [1, 2]
    with pytest.raises(InputError, match="rotate"):
        keystore.create(tmp_path, ring)
    assert sorted(os.listdir(path.parent)) == ["keys.json"]
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        keystore.load(tmp_path)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b'{"v":2,"epochs":[]}', b'{"v":1,"epochs":[]}', b"\xff"]
)
def test_a_damaged_file_is_refused_with_what_to_do(tmp_path, ring, text):
    with pytest.raises(ConfigError, match="marks keys create"):
        keystore.load(tmp_path)
    keystore.create(tmp_path, ring)
    keystore.where(tmp_path).write_bytes(text)
    with pytest.raises(ConfigError, match="escrow"):
        keystore.load(tmp_path)


def test_escrow_is_opened_by_the_second_person_alone(ring):
    private, public = pem(X25519PrivateKey.generate())
    sealed = keystore.seal(ring, public)
    assert ring.current.master not in sealed
    assert keystore.unseal(sealed, private).epochs == ring.epochs
    other, _ = pem(X25519PrivateKey.generate())
    with pytest.raises(InputError, match="another key"):
        keystore.unseal(sealed, other)
    with pytest.raises(InputError, match="damaged"):
        keystore.unseal(sealed[:-9] + b'AAAAAA"}\n', private)


def test_escrow_takes_x25519_keys_alone(ring):
    private, public = pem(Ed25519PrivateKey.generate())
    for bad in (public, b"no pem"):
        with pytest.raises(InputError, match="X25519"):
            keystore.seal(ring, bad)
    for bad in (private, b"no pem"):
        with pytest.raises(InputError, match="X25519"):
            keystore.unseal(b"{}", bad)


def test_another_program_opens_the_escrow(ring):
    """RFC 9180 by pyhpke: what docs/spec/marks.md says of the file."""
    pyhpke = pytest.importorskip("pyhpke", reason="pyhpke is not installed")
    key = X25519PrivateKey.generate()
    sealed = base64.b64decode(json.loads(keystore.seal(ring, pem(key)[1]))["sealed"])
    suite = pyhpke.CipherSuite.new(
        pyhpke.KEMId.DHKEM_X25519_HKDF_SHA256,
        pyhpke.KDFId.HKDF_SHA256,
        pyhpke.AEADId.CHACHA20_POLY1305,
    )
    private = suite.kem.deserialize_private_key(key.private_bytes_raw())
    opened = suite.create_recipient_context(
        sealed[:32], private, info=b"titer mark keys escrow v1"
    ).open(sealed[32:])
    assert keystore.decode(opened).epochs == ring.epochs
