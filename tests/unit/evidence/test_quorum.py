"""Names for m of n people: who can read them, and what each wrong share is told."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import EvidenceError, InputError
from titer.evidence import contents, names, quorum

pytest.importorskip("Cryptodome")

WHERE = {"origin": "titer.test/quorum", "subject": "c-0123456789abcdef"}
TOLD = {f"{i:020x}": f"account {i}" for i in range(40)}


def pair():
    key = X25519PrivateKey.generate()
    return (
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )


PAIRS = [pair() for _ in range(5)]
PUBLIC = [public for _, public in PAIRS]


@pytest.fixture(scope="module")
def made():
    found = quorum.seal(TOLD, PUBLIC[:4], 3, **WHERE)
    quorum.check(found)
    return found


@pytest.fixture(scope="module")
def shares(made):
    return [quorum.open_share(made, private, **WHERE) for private, _ in PAIRS[:4]]


def test_every_three_of_four_read_the_names_and_no_two_do(made, shares):
    for some in itertools.permutations(shares, 3):
        opened = quorum.combine(made, some, **WHERE)
        assert opened.names == TOLD
        assert opened.holders == tuple(
            made.holders[n - 1].recipient for n in sorted(s.number for s in some)
        )
    assert len(quorum.combine(made, shares, **WHERE).holders) == 4
    for some in itertools.combinations(shares, 2):
        with pytest.raises(EvidenceError, match="2 of 3 shares that are needed"):
            quorum.combine(made, some, **WHERE)
    with pytest.raises(EvidenceError, match="2 of 3 shares"):  # one twice counts once
        quorum.combine(made, [shares[0], shares[1], shares[1]], **WHERE)


def changed(one, **to):
    return msgspec.structs.replace(one, **to)


def test_each_wrong_share_has_its_own_error(made, shares):
    first, second, third, _ = shares
    bad = bytearray(bytes.fromhex(second.share))
    bad[3] ^= 1
    for share, said in (
        (changed(second, share=bad.hex()), f"2 is forged .* key {made.holders[1].recipient}"),
        (changed(second, share=first.share), "share 2 is forged"),
        (changed(second, share=second.share[:-2]), "share 2 is forged"),
        (changed(second, share="zz"), "share 2 is forged"),
        (changed(second, number=5), "there is no share 5"),
        (changed(second, number=0), "there is no share 0"),
        (changed(second, quorum="0" * 64), "of another dossier"),
        (changed(second, titer_share=2), "of another dossier"),
    ):
        with pytest.raises(EvidenceError, match=said):
            quorum.combine(made, [first, share, third], **WHERE)
    other = quorum.seal(TOLD, PUBLIC[:4], 3, **WHERE)
    foreign = quorum.open_share(other, PAIRS[1][0], **WHERE)
    with pytest.raises(EvidenceError, match="share 2 is of another dossier"):
        quorum.combine(made, [first, foreign, third], **WHERE)
    with pytest.raises(EvidenceError, match="no share is sealed to this key"):
        quorum.open_share(made, PAIRS[4][0], **WHERE)
    for wrong in ({**WHERE, "subject": "c-2"}, {**WHERE, "origin": "x.test"}):
        with pytest.raises(EvidenceError, match="does not open under this key"):
            quorum.open_share(made, PAIRS[0][0], **wrong)
    for junk in (b"", b"{}", b"[]", b'{"titer_share":1}'):
        with pytest.raises(InputError, match="no share of names"):
            quorum.read_share(junk)


def test_a_share_travels_sealed_to_whoever_puts_shares_together(made, shares):
    private, public = PAIRS[4]
    sealed = quorum.seal_share(shares[0], public)
    data = msgspec.json.encode(sealed)
    assert shares[0].share.encode() not in data
    assert quorum.read_share(data, private) == shares[0]
    assert quorum.read_share(msgspec.json.encode(shares[1])) == shares[1]
    for pem in (None, PAIRS[0][0]):
        with pytest.raises(InputError, match=f"sealed to key {sealed.recipient}"):
            quorum.read_share(data, pem)
    for changed_ in (
        msgspec.structs.replace(sealed, number=2),
        msgspec.structs.replace(sealed, quorum="0" * 64),
        msgspec.structs.replace(sealed, text=sealed.text[:-8] + "AAAAAAA="),
    ):
        with pytest.raises(EvidenceError, match="does not open"):
            quorum.read_share(msgspec.json.encode(changed_), private)
    assert quorum.holds(made, PAIRS[0][0])
    assert not quorum.holds(made, private)


def holder(made, index, **to):
    holders = list(made.holders)
    holders[index] = msgspec.structs.replace(holders[index], **to)
    return msgspec.structs.replace(made, holders=tuple(holders))


def test_a_dealer_who_deals_wrongly_is_told_by_its_own_error(made, shares):
    """Shares of another polynomial that are committed to; another key; other names."""
    other = quorum.seal(TOLD, PUBLIC[:4], 3, **WHERE)
    scope = quorum._scope(WHERE["origin"], WHERE["subject"], 3, 4)
    stranger = quorum.open_share(other, PAIRS[1][0], **WHERE)
    swapped = holder(made, 1, commitment=other.holders[1].commitment)
    posed = changed(stranger, quorum=made.key)
    with pytest.raises(EvidenceError, match="dealt them wrongly"):
        quorum.combine(swapped, [shares[0], posed, shares[2]], **WHERE)
    share = bytes.fromhex(shares[1].share)
    sealed = names.HPKE.encrypt(
        share,
        serialization.load_pem_public_key(PUBLIC[1]),
        info=quorum._info(scope, 2, made.key),
    )
    dealt = holder(made, 1, text=base64.b64encode(sealed).decode(), commitment="0" * 64)
    with pytest.raises(EvidenceError, match="share 2 was dealt as another"):
        quorum.open_share(dealt, PAIRS[1][0], **WHERE)
    with pytest.raises(EvidenceError, match="the names do not open"):
        quorum.combine(msgspec.structs.replace(made, text=other.text), shares, **WHERE)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"threshold": 1}, "threshold"),
        ({"threshold": 5}, "threshold"),
        ({"suite": "x"}, "suite"),
        ({"key": "0" * 63}, "suite or key"),
        ({"text": "AAAA"}, "length"),
        ({"holders": ()}, "threshold"),
    ],
)
def test_what_can_be_checked_without_a_key(made, edit, said):
    with pytest.raises(EvidenceError, match=said):
        quorum.check(msgspec.structs.replace(made, **edit))


def test_holders_that_cannot_be(made):
    for edit, said in (
        ({"recipient": made.holders[0].recipient}, "two shares"),
        ({"recipient": "x"}, "holder or commitment"),
        ({"commitment": "A" * 64}, "holder or commitment"),
        ({"text": "AAAA"}, "share of a length"),
    ):
        with pytest.raises(EvidenceError, match=said):
            quorum.check(holder(made, 1, **edit))


def test_numbers_and_keys_that_make_no_quorum():
    for keys, threshold, said in (
        (PUBLIC[:3], 1, "2 to 3 here"),
        (PUBLIC[:3], 4, "2 to 3 here"),
        (PUBLIC[:1], 2, "2 to 16 holders"),
        ([PUBLIC[0]] * 17, 2, "2 to 16 holders"),
        ([PUBLIC[0], PUBLIC[0]], 2, "named twice"),
        ([PUBLIC[0], PAIRS[1][0]], 2, "no PEM public key"),
    ):
        with pytest.raises(InputError, match=said):
            quorum.seal(TOLD, keys, threshold, **WHERE)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "Cryptodome.Protocol.SecretSharing", None)
    with pytest.raises(InputError, match=r"titer\[quorum\]"):
        quorum.seal(TOLD, PUBLIC[:3], 2, **WHERE)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_m_of_n(data):
    count = data.draw(st.integers(2, 5))
    threshold = data.draw(st.integers(2, count))
    made = quorum.seal({"a": "b"}, PUBLIC[:count], threshold, **WHERE)
    who = data.draw(st.permutations(range(count)))[:threshold]
    some = [quorum.open_share(made, PAIRS[i][0], **WHERE) for i in who]
    assert quorum.combine(made, some, **WHERE).names == {"a": "b"}


def test_the_ssss_program_puts_the_key_together_as_well(made, shares):
    """B. Poettering's program, of Debian: another implementation of the scheme."""
    program = shutil.which("ssss-combine")
    if program is None:
        pytest.skip("needs ssss-combine (Debian: ssss)")
    lines = "".join(f"{s.number}-{s.share}\n" for s in (shares[3], shares[0], shares[2]))
    ran = subprocess.run(
        [program, "-t", "3", "-x", "-D", "-q"], input=lines, text=True, capture_output=True,
        check=False, timeout=120,
    )  # fmt: skip
    key = bytes.fromhex(ran.stderr.split()[-1])
    scope = quorum._scope(WHERE["origin"], WHERE["subject"], 3, 4)
    assert quorum._key_commitment(scope, key) == made.key


def test_contents_without_a_quorum_are_spelt_as_before():
    text = json.loads(msgspec.json.encode(contents.Contents()))
    assert list(text) == ["infrastructure", "alternatives", "marks", "sealed"]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**text, "quorum": None}, contents.Contents)
