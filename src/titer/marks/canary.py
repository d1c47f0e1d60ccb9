"""Canaries: strings that only one account was ever shown, and how they are recognised elsewhere.

A canary is placed where honest use never repeats it (a hardened system prompt, `respond.harden`).
Seen in a leaked prompt or in what a suspect model says, it names the account that it was given to.
Canaries are synthetic identifiers: they state nothing, so no answer is made wrong by them.

    token       t6m2k...          16 letters and digits, 80 bits: survives copying
    phrase      five made-up words, 16 bits each (proquints, arXiv:0901.4016): survives rewording,
                partly; three of five in any order are looked for
    number      NNNN-NNNN-NNNN    12 digits, 39.9 bits: survives translation

The null is the key itself: whoever wrote the text without having seen the canary has no more of
it than of any other value of HMAC-SHA-256, so that the chance of each sighting is exact (a
binomial over made-up words, a count of windows for the others) and no honest text is needed to
calibrate it. Whoever holds the key can forge canaries; commit to the key before use.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

Kind = Literal["token", "phrase", "number"]
KINDS: tuple[Kind, ...] = ("token", "phrase", "number")

#: Characters of a text that are searched: a dossier's exhibit, not a corpus; search a corpus in
#: parts, and multiply p-values by their number.
MAX_CHARS = 4_000_000
#: Accounts that are looked for at once: each costs about 1 kB while it is.
MAX_ACCOUNTS = 1_000_000
#: Bytes that a key must have at least.
KEY_BYTES = 16

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 signs, none that is read for another
_TOKEN_SIGNS = 16
_TOKEN_BITS = 5 * _TOKEN_SIGNS
_DIGITS = 12
_WORDS = 5
_WORD_BITS = 16
#: Words of a phrase that must be there: two occur by chance where accounts are many.
_LEAST_WORDS = 3
#: The signs of a proquint, as published: a consonant has 4 bits, a vowel 2.
_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"
_PROQUINT = re.compile(f"[{_CONSONANTS}][{_VOWELS}][{_CONSONANTS}][{_VOWELS}][{_CONSONANTS}]")


class Canary(msgspec.Struct, frozen=True):
    """What one account is shown in one epoch. `text` is ASCII, at most 29 characters."""

    kind: Kind
    account: str
    epoch: str
    text: str


class Sighting(msgspec.Struct, frozen=True):
    """A canary recognised in a text: `found` of its `of` parts.

    `log10_p` is the chance that a text written without it has as much of it, times the number of
    canaries that were looked for (Bonferroni); 0 at most.
    """

    kind: Kind
    account: str
    epoch: str
    found: int
    of: int
    log10_p: float


class Canaries:
    """Issues and recognises. `key` is the operator's, of at least 16 bytes; else ValueError."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"a canary key must have at least {KEY_BYTES} bytes")
        self._key = key

    def commitment(self) -> str:
        """SHA-256 of the key's commitment form (hex): log it before the first canary is issued."""
        return hashlib.sha256(b"titer canary key\x00" + self._key).hexdigest()

    def issue(self, account: str, epoch: str, kind: Kind) -> Canary:
        """The canary of an account (a pseudonym) in an epoch, the same each time."""
        digest = self._digest(account, epoch, kind)
        if kind == "token":
            text = _base32(digest)
        elif kind == "phrase":
            text = "-".join(_proquints(digest))
        else:
            number = f"{int.from_bytes(digest) % 10**_DIGITS:0{_DIGITS}d}"
            text = "-".join(number[i : i + 4] for i in range(0, _DIGITS, 4))
        return Canary(kind, account, epoch, text)

    def recognise(
        self, text: str, accounts: Iterable[tuple[str, str]], *, kinds: Sequence[Kind] = KINDS
    ) -> list[Sighting]:
        """Whose canaries are in `text`, likeliest first.

        `accounts` are (account, epoch). Case, accents' composition, invisible characters and what
        separates the parts do not matter. Raises ValueError beyond `MAX_CHARS` or `MAX_ACCOUNTS`.
        """
        if len(text) > MAX_CHARS:
            raise ValueError(f"at most {MAX_CHARS:,} characters at once; search the text in parts")
        wanted = list(dict.fromkeys(accounts))
        if len(wanted) > MAX_ACCOUNTS:
            raise ValueError(f"at most {MAX_ACCOUNTS:,} accounts at once")
        seen = _Seen(text)
        tests = math.log10(max(1, len(wanted) * len(kinds)))
        found: list[Sighting] = []
        for kind in kinds:
            hits = self._phrases(seen, wanted) if kind == "phrase" else self._exact(
                seen, wanted, kind
            )  # fmt: skip
            found += [
                Sighting(kind, *wanted[at], parts, of, min(0.0, log10_p + tests))
                for at, parts, of, log10_p in hits
            ]
        return sorted(found, key=lambda s: (s.log10_p, s.account, s.epoch, s.kind))

    def _digest(self, account: str, epoch: str, kind: Kind) -> bytes:
        # Lengths go in, so that no two pairs of names run together into one message.
        message = b"".join(
            len(part).to_bytes(4) + part
            for part in (kind.encode(), account.encode(), epoch.encode())
        )
        return hmac.digest(self._key, message, hashlib.sha256)

    def _exact(
        self, seen: _Seen, wanted: list[tuple[str, str]], kind: Kind
    ) -> list[tuple[int, int, int, float]]:
        """Tokens and numbers: the whole of one, in what is left without separators."""
        size = _TOKEN_SIGNS if kind == "token" else _DIGITS
        windows = seen.windows(size) if kind == "token" else seen.numbers(size)
        if not windows:
            return []
        space = _TOKEN_BITS * math.log10(2.0) if kind == "token" else float(_DIGITS)
        log10_p = min(0.0, math.log10(len(windows)) - space)
        return [
            (at, 1, 1, log10_p)
            for at, (account, epoch) in enumerate(wanted)
            if self.issue(account, epoch, kind).text.replace("-", "") in windows
        ]

    def _phrases(
        self, seen: _Seen, wanted: list[tuple[str, str]]
    ) -> list[tuple[int, int, int, float]]:
        """Phrases of which at least three words are there, in any order."""
        there = seen.proquints
        if len(there) < _LEAST_WORDS:
            return []
        chance = len(there) / 2.0**_WORD_BITS
        tails = [_log10_tail(k, _WORDS, chance) for k in range(_WORDS + 1)]
        hits = []
        for at, (account, epoch) in enumerate(wanted):
            words = _proquints(self._digest(account, epoch, "phrase"))
            count = sum(word in there for word in words)
            if count >= _LEAST_WORDS:
                hits.append((at, count, _WORDS, tails[count]))
        return hits


class _Seen:
    """A text as the recogniser reads it."""

    def __init__(self, text: str) -> None:
        folded = unicodedata.normalize("NFKC", text).casefold()
        self._text = "".join(c for c in folded if unicodedata.category(c) != "Cf")
        self._compact = re.sub(r"[\W_]+", "", self._text)

    def windows(self, size: int) -> set[str]:
        """All runs of `size` signs that a token can have, separators left out."""
        runs = re.findall(f"[{_ALPHABET}]{{{size},}}", self._compact)
        return {run[i : i + size] for run in runs for i in range(len(run) - size + 1)}

    def numbers(self, size: int) -> set[str]:
        """All runs of `size` digits of any script, what usually separates digits left out."""
        runs = re.findall(r"\d(?:[\d \-./\u2010-\u2015]*\d)?", self._text)
        bare = ["".join(str(unicodedata.decimal(c)) for c in r if c.isdecimal()) for r in runs]
        return {b[i : i + size] for b in bare for i in range(len(b) - size + 1)}

    @functools.cached_property
    def proquints(self) -> set[str]:
        """The made-up words in it: every word, and every part of one, of that shape."""
        found: set[str] = set()
        for word in re.findall(r"[a-z]+", self._text):
            found.update(
                word[i : i + 5]
                for i in range(len(word) - 4)
                if _PROQUINT.fullmatch(word, i, i + 5)
            )
        return found


def _base32(digest: bytes) -> str:
    value = int.from_bytes(digest)
    return "".join(_ALPHABET[value >> 5 * i & 31] for i in range(_TOKEN_SIGNS))


def _proquints(digest: bytes) -> list[str]:
    """Five words of 16 bits each (arXiv:0901.4016)."""
    return [
        "".join(
            (
                _CONSONANTS[n >> 12], _VOWELS[n >> 10 & 3], _CONSONANTS[n >> 6 & 15],
                _VOWELS[n >> 4 & 3], _CONSONANTS[n & 15],
            )
        )
        for n in (int.from_bytes(digest[2 * i : 2 * i + 2]) for i in range(_WORDS))
    ]  # fmt: skip


def _log10_tail(least: int, n: int, p: float) -> float:
    """log10 of P(Binomial(n, p) >= least), exact; n is small."""
    if least <= 0:
        return 0.0
    p = min(p, 1.0)
    total = math.fsum(math.comb(n, k) * p**k * (1.0 - p) ** (n - k) for k in range(least, n + 1))
    return math.log10(total) if total > 0 else -math.inf
