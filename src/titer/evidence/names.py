r"""Members' names, sealed so that one other person can read them and the dossier's reader cannot.

    text   base64 of HPKE's enc (32 bytes) || ciphertext, single-shot base mode (RFC 9180, 6.1)
    suite  DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM (0x0020, 0x0001, 0x0001)
    info   "titer dossier names v1\n" || origin of the log || "\n" || subject of the dossier
    aad    empty
    plain  JSON object from pseudonym to name, padded with spaces to a multiple of `PAD` bytes

The recipient's key is an ordinary X25519 key, made with `openssl genpkey -algorithm X25519`. The
operator does not hold it: unmasking takes that second person. Whoever is sealed to can read all of
the names. Names that several people may read only together are in `titer.evidence.quorum`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from titer.core.errors import EvidenceError, InputError
from titer.evidence.contents import Sealed
from titer.evidence.note import decode_base64

SUITE = "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM"
#: The length of the text tells how many names there are to so many bytes, and no better.
PAD = 4096
#: Bytes of names in one dossier: 50,000 members of 100 characters.
MAX_NAMES = 8 * 1024 * 1024
#: Bytes that HPKE adds: the encapsulated key and the tag.
ADDED = 32 + 16
#: The suite of all that a dossier seals to a person's key.
HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)


def seal(names: Mapping[str, str], pem: bytes, *, origin: str, subject: str) -> Sealed:
    """Seal names to the X25519 public key in `pem`. Raises InputError."""
    key = read_public(pem)
    text = HPKE.encrypt(spell(names), key, info=_info(origin, subject))
    return Sealed(recipient(key), SUITE, base64.b64encode(text).decode())


def unseal(sealed: Sealed, pem: bytes, *, origin: str, subject: str) -> dict[str, str]:
    """The names, with the recipient's private key. Raises InputError for a key that cannot be
    used, EvidenceError when it is not the key, or the text is not of this dossier.
    """
    key = read_private(pem)
    if sealed.suite != SUITE or recipient(key.public_key()) != sealed.recipient:
        raise EvidenceError("sealed names: sealed to another key than this one")
    try:
        plain = HPKE.decrypt(decode_base64(sealed.text), key, info=_info(origin, subject))
        return msgspec.json.decode(plain, type=dict[str, str])
    except (InvalidTag, ValueError, msgspec.MsgspecError):
        raise EvidenceError("sealed names: they do not open under this key") from None


def spell(names: Mapping[str, str]) -> bytes:
    """Names as they are sealed: JSON, padded to a multiple of `PAD` bytes. Raises InputError."""
    plain = msgspec.json.encode(dict(sorted(names.items())))
    if len(plain) > MAX_NAMES:
        raise InputError(f"names of more than {MAX_NAMES} bytes are not sealed into a dossier")
    return plain + b" " * (-len(plain) % PAD)


def read_public(pem: bytes) -> X25519PublicKey:
    """A recipient's public key. Raises InputError."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError):
        raise InputError("the recipient's key is no PEM public key") from None
    if not isinstance(key, X25519PublicKey):
        raise InputError("the recipient's key is not X25519: openssl genpkey -algorithm X25519")
    return key


def read_private(pem: bytes) -> X25519PrivateKey:
    """A recipient's private key. Raises InputError."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise InputError("the key is no unencrypted PEM private key") from None
    if not isinstance(key, X25519PrivateKey):
        raise InputError("the key is not X25519: openssl genpkey -algorithm X25519")
    return key


def recipient(key: X25519PublicKey) -> str:
    """How a dossier names a recipient: 16 hex digits of SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def check(sealed: Sealed) -> None:
    """What can be checked without the key. Raises EvidenceError."""
    if not is_recipient(sealed.recipient) or sealed.suite != SUITE:
        raise EvidenceError("sealed names: of a suite or recipient that this form does not have")
    check_length(len(decode_base64(sealed.text)) - ADDED)


def is_recipient(text: str) -> bool:
    """Whether it is how a dossier names a recipient."""
    return len(text) == 16 and set(text) <= set("0123456789abcdef")


def check_length(plain: int) -> None:
    """Refuse names of a length in bytes that `spell` cannot give. Raises EvidenceError."""
    if plain <= 0 or plain % PAD or plain > MAX_NAMES + PAD:
        raise EvidenceError("sealed names: of a length that they cannot have")


def _info(origin: str, subject: str) -> bytes:
    return f"titer dossier names v1\n{origin}\n{subject}".encode()
