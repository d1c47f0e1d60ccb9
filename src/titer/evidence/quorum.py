r"""Members' names that m of n people can read together, and fewer cannot.

    key         16 random bytes, for these names alone
    text        base64 of the names (spelt as in `titer.evidence.names`) under AES-128-GCM: 12 zero
                bytes as the nonce, `scope` as the additional data
    shares      Shamir's scheme over GF(2^128), modulus x^128 + x^7 + x^2 + x + 1: share i is
                f(i), i = 1..n; f(x) = x^m + c(m-1) x^(m-1) + ... + c(1) x + key, the c random.
                This is what B. Poettering's `ssss` makes with -x -s 128 -D
    scope       "titer dossier quorum v1\n" || origin || "\n" || subject || "\n" || m || "/" || n
    commitment  hex SHA-256 of scope || "\nshare " || i || "\n" || the share's 16 bytes
    key commitment  hex SHA-256 of scope || "\nkey\n" || the key's 16 bytes
    sealed share    base64 of HPKE's enc || ciphertext, suite and mode of `names`;
                info = scope || "\nshare " || i || "\n" || key commitment

Numbers are decimal. A share is 128 random bits, so that its commitment tells nothing of it, and
one that somebody made up is told apart before anything is put together. The commitment to the key
says whether whoever dealt the shares dealt shares of one key; hence also that no other m holders
can be shown other names.

Whoever makes the dossier knows the names and the key: a quorum binds those to whom it is handed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from titer.core.errors import EvidenceError, InputError
from titer.evidence import names
from titer.evidence.contents import MAX_RECIPIENTS, Holder, Quorum
from titer.evidence.note import decode_base64

SUITE = "Shamir GF(2^128) m of n, AES-128-GCM, " + names.SUITE
#: Bytes of the key and of a share, of GCM's tag, of a share's file.
KEY, _TAG = 16, 16
MAX_FILE = 4096
_NONCE = bytes(12)


class ShareFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share that its holder opened, as it is handed to whoever puts shares together: secret.

    `quorum` is the commitment to the key, which says which dossier it belongs to; `share` hex.
    """

    titer_share: int
    quorum: str
    number: int
    share: str


class SealedShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share's file for one other person: `text` is base64 of HPKE's enc || ciphertext of the
    share's 16 bytes; info is "titer share v1", quorum and number, joined by newlines.
    """

    titer_sealed_share: int
    quorum: str
    number: int
    recipient: str
    text: str


class Opened(msgspec.Struct, frozen=True):
    """Names, and the keys (`names.recipient`) of the holders who took part."""

    names: dict[str, str]
    holders: tuple[str, ...]


def seal(
    told: Mapping[str, str], keys: Sequence[bytes], threshold: int, *, origin: str, subject: str
) -> Quorum:
    """Seal names to the X25519 public keys (PEM), any `threshold` of which open them together.

    Raises InputError for keys or numbers that make no quorum.
    """
    publics = [names.read_public(pem) for pem in keys]
    known = [names.recipient(key) for key in publics]
    if not 2 <= len(known) <= MAX_RECIPIENTS:
        raise InputError(f"a quorum has 2 to {MAX_RECIPIENTS} holders; for one, use --seal-to")
    if len(set(known)) < len(known):
        raise InputError("one key is named twice: every holder of a quorum needs a key of his own")
    if not 2 <= threshold <= len(known):
        raise InputError(
            f"--threshold is 2 to {len(known)} here, the number of --unmask-to keys; where one "
            "person is enough, use --seal-to"
        )
    key = secrets.token_bytes(KEY)
    scope = _scope(origin, subject, threshold, len(known))
    committed = _key_commitment(scope, key)
    holders = []
    for (number, share), public in zip(
        _shamir().split(threshold, len(known), key, ssss=True), publics, strict=True
    ):
        text = names.HPKE.encrypt(share, public, info=_info(scope, number, committed))
        holders.append(
            Holder(
                names.recipient(public), _commitment(scope, number, share), _encoded(text)
            )
        )  # fmt: skip
    text = AESGCM(key).encrypt(_NONCE, names.spell(told), scope)
    return Quorum(threshold, tuple(holders), SUITE, committed, _encoded(text))


def open_share(quorum: Quorum, pem: bytes, *, origin: str, subject: str) -> ShareFile:
    """One holder's share, by his private key. Raises InputError for a key that is none, and
    EvidenceError when it holds no share here or the share is not the one committed to.
    """
    private = names.read_private(pem)
    own = names.recipient(private.public_key())
    scope = _scope(origin, subject, quorum.threshold, len(quorum.holders))
    known = [holder.recipient for holder in quorum.holders]
    if own not in known:
        raise EvidenceError(f"quorum: no share is sealed to this key ({own})")
    number = known.index(own) + 1
    holder = quorum.holders[number - 1]
    try:
        share = names.HPKE.decrypt(
            decode_base64(holder.text), private, info=_info(scope, number, quorum.key)
        )
    except (InvalidTag, ValueError):
        raise EvidenceError("quorum: the share does not open under this key") from None
    if not hmac.compare_digest(_commitment(scope, number, share), holder.commitment):
        raise EvidenceError(
            f"quorum: share {number} was dealt as another than the dossier commits to: whoever "
            "made the dossier must deal again"
        )
    return ShareFile(1, quorum.key, number, share.hex())


def holds(quorum: Quorum, pem: bytes) -> bool:
    """Whether a private key is that of a holder. Raises InputError for a key that is none."""
    own = names.recipient(names.read_private(pem).public_key())
    return own in [holder.recipient for holder in quorum.holders]


def combine(
    quorum: Quorum, shares: Sequence[ShareFile], *, origin: str, subject: str
) -> Opened:  # fmt: skip
    """The names, from at least `threshold` shares. Every share given is checked.

    Raises EvidenceError, by its own words, for a share of another dossier, a number that is not
    dealt, a share that is not the one dealt, too few shares, and shares that were dealt wrongly.
    """
    scope = _scope(origin, subject, quorum.threshold, len(quorum.holders))
    given: dict[int, bytes] = {}
    for one in shares:
        if one.titer_share != 1 or one.quorum != quorum.key:
            raise EvidenceError(f"quorum: share {one.number} is of another dossier")
        if not 1 <= one.number <= len(quorum.holders):
            raise EvidenceError(f"quorum: there is no share {one.number} of this dossier")
        try:
            share = bytes.fromhex(one.share)
        except ValueError:
            share = b""
        committed = quorum.holders[one.number - 1].commitment
        matches = hmac.compare_digest(_commitment(scope, one.number, share), committed)
        if not matches or len(share) != KEY:
            raise EvidenceError(
                f"quorum: share {one.number} is forged or damaged: it is not what the dossier "
                f"commits to for the holder of key {quorum.holders[one.number - 1].recipient}"
            )
        given[one.number] = share
    if len(given) < quorum.threshold:
        raise EvidenceError(
            f"quorum: {len(given)} of {quorum.threshold} shares that are needed; ask another of "
            f"the {len(quorum.holders)} holders for his"
        )
    used = sorted(given.items())[: quorum.threshold]
    key = _shamir().combine(used, ssss=True)
    if not hmac.compare_digest(_key_commitment(scope, key), quorum.key):
        raise EvidenceError(
            "quorum: the shares are those committed to, and give another key than the dossier "
            "commits to: whoever made it dealt them wrongly"
        )
    try:
        plain = AESGCM(key).decrypt(_NONCE, decode_base64(quorum.text), scope)
        told = msgspec.json.decode(plain, type=dict[str, str])
    except (InvalidTag, ValueError, msgspec.MsgspecError):
        raise EvidenceError("quorum: the names do not open under the key of the shares") from None
    return Opened(told, tuple(quorum.holders[n - 1].recipient for n in sorted(given)))


def seal_share(share: ShareFile, pem: bytes) -> SealedShare:
    """A share for whoever puts shares together, by X25519 public key. Raises InputError."""
    public = names.read_public(pem)
    text = names.HPKE.encrypt(
        bytes.fromhex(share.share), public, info=_share_info(share.quorum, share.number)
    )
    return SealedShare(1, share.quorum, share.number, names.recipient(public), _encoded(text))


def read_share(data: bytes, pem: bytes | None = None) -> ShareFile:
    """A share's file; `pem` is the private key that opens one that was sealed to somebody.

    Raises InputError for what is none or needs another key, EvidenceError when it does not open.
    """
    try:
        found = msgspec.json.decode(data, type=dict[str, str | int])
        if "titer_sealed_share" not in found:
            return msgspec.convert(found, ShareFile)
        sealed = msgspec.convert(found, SealedShare)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InputError(
            "is no share of names: make one with titer unseal DOSSIER --private KEY --share FILE"
        ) from None
    private = None if pem is None else names.read_private(pem)
    if private is None or names.recipient(private.public_key()) != sealed.recipient:
        raise InputError(f"is sealed to key {sealed.recipient}: give that one with --private")
    try:
        share = names.HPKE.decrypt(
            decode_base64(sealed.text), private, info=_share_info(sealed.quorum, sealed.number)
        )
    except (InvalidTag, ValueError):
        raise EvidenceError(
            f"quorum: share {sealed.number} does not open: it was changed"
        ) from None
    return ShareFile(1, sealed.quorum, sealed.number, share.hex())


def check(quorum: Quorum) -> None:
    """What can be checked without a key. Raises EvidenceError."""
    holders = quorum.holders
    if quorum.suite != SUITE or not _is_hash(quorum.key):
        raise EvidenceError("quorum: of a suite or key that this form does not have")
    if not 2 <= quorum.threshold <= len(holders) <= MAX_RECIPIENTS:
        raise EvidenceError("quorum: a threshold or number of holders that cannot be")
    if len({h.recipient for h in holders}) < len(holders):
        raise EvidenceError("quorum: one holder has two shares")
    for holder in holders:
        if not names.is_recipient(holder.recipient) or not _is_hash(holder.commitment):
            raise EvidenceError("quorum: a holder or commitment that this form does not have")
        if len(decode_base64(holder.text)) != KEY + names.ADDED:
            raise EvidenceError("quorum: a share of a length that it cannot have")
    names.check_length(len(decode_base64(quorum.text)) - _TAG)


def _scope(origin: str, subject: str, threshold: int, count: int) -> bytes:
    return f"titer dossier quorum v1\n{origin}\n{subject}\n{threshold}/{count}".encode()


def _info(scope: bytes, number: int, committed: str) -> bytes:
    return scope + f"\nshare {number}\n{committed}".encode()


def _share_info(quorum: str, number: int) -> bytes:
    return f"titer share v1\n{quorum}\n{number}".encode()


def _commitment(scope: bytes, number: int, share: bytes) -> str:
    return hashlib.sha256(scope + f"\nshare {number}\n".encode() + share).hexdigest()


def _key_commitment(scope: bytes, key: bytes) -> str:
    return hashlib.sha256(scope + b"\nkey\n" + key).hexdigest()


def _is_hash(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


def _shamir() -> Any:
    """PyCryptodome's scheme: an extra, as few dossiers have a quorum. Raises InputError."""
    try:
        from Cryptodome.Protocol.SecretSharing import Shamir  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(
            "m of n people needs PyCryptodome: pip install 'titer[quorum]' (pycryptodomex)"
        ) from None
    return Shamir
