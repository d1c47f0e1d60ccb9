"""Marks by choices, for operators who cannot touch sampling: which of several equivalent phrasings
or formats stands in a text is decided by a coin of the account.

The operator supplies sets of wordings that mean the same to every reader ("for example", "for
instance"; "1." and "1)"). Nothing else of a text is touched, and nothing is said that was not
said before. Two ways of tossing:

    width 1    a coin for each set and preceding word: many coins, found in copied text
    width 0    one coin a set: few coins, but a habit that a student can learn

The test is the exact randomisation test: who wrote a text without regard to the account's coins
would have met each of them with chance 1 over the number of wordings, independently, so that the
number of agreements is a sum of independent trials with known chances (Poisson-binomial), over all
coins that could have been tossed. Each set and preceding word counts once; where it occurs with
different wordings, the commoner one counts, and a draw counts as no agreement.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from titer.core.errors import InputError
from titer.marks import pvalues

#: Sets of wordings, wordings of one set, characters of a wording: a regular expression of them all
#: is kept small enough to run over megabytes.
MAX_SETS, MAX_WORDINGS, MAX_CHARS = 500, 16, 100
#: Characters of one text.
MAX_TEXT = 4_000_000

_LAST_WORD = re.compile(r"(\w+)\W*\Z")


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set of wordings that mean the same."""

    name: str
    wordings: tuple[str, ...]


class Agreement(msgspec.Struct, frozen=True):
    """How far texts agree with one account's coins: `agreed` of `coins`.

    `log10_p` is exact; `holm_log10_p` is adjusted for all accounts that were asked about.
    """

    account: str
    agreed: int
    coins: int
    log10_p: float
    holm_log10_p: float


class Choices:
    """Sets of wordings with the key of the coins; commit to the key before use (`marks.keys`).

    `secret` has at least 16 bytes, `width` is 0 or 1. Raises `InputError` on sets that cannot be
    told apart in a text.
    """

    def __init__(self, secret: bytes, choices: Sequence[Choice], *, width: int = 1) -> None:
        if len(secret) < 16 or width not in {0, 1}:
            raise InputError("choices need a secret of at least 16 bytes, and a width of 0 or 1")
        _check(choices)
        self._secret = secret
        self._width = width
        self._sets = {choice.name: choice.wordings for choice in choices}
        self._owner = {
            wording.casefold(): choice.name for choice in choices for wording in choice.wordings
        }
        longest = sorted(self._owner, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_bounded, longest)), re.IGNORECASE)

    def coin(self, account: str, name: str, before: str) -> int:
        """Which wording of a set an account gets after a word (its index in the set)."""
        parts = (account, name, before if self._width else "")
        message = b"".join(len(p.encode()).to_bytes(4) + p.encode() for p in parts)
        digest = hmac.digest(self._secret, message, hashlib.sha256)
        return int.from_bytes(digest[:8]) % len(self._sets[name])

    def plant(self, text: str, account: str) -> str:
        """The text with every wording chosen by the account's coins; nothing else changes."""
        out: list[str] = []
        end = 0
        before = ""
        for found in self._pattern.finditer(text):
            gap = text[end : found.start()]
            out.append(gap)
            before = _last_word(gap) or before
            name = self._owner[found[0].casefold()]
            wording = self._sets[name][self.coin(account, name, before)]
            out.append(_cased(wording, found[0]))
            before = _last_word(wording) or before
            end = found.end()
        out.append(text[end:])
        return "".join(out)

    def recognise(self, texts: Iterable[str], accounts: Sequence[str]) -> list[Agreement]:
        """How far the texts agree with each account, likeliest first. Raises `InputError`."""
        seen = self._seen(texts)
        chances = np.array([1 / len(self._sets[name]) for name, _ in seen])
        agreed = [
            sum(self.coin(account, *place) == wording for place, wording in seen.items())
            for account in accounts
        ]
        tails = {k: pvalues.poisson_binomial(k, chances) for k in set(agreed)}
        log_ps = [tails[k] for k in agreed]
        adjusted = pvalues.holm(log_ps)
        found = [
            Agreement(account, k, len(seen), p / math.log(10), float(q) / math.log(10))
            for account, k, p, q in zip(accounts, agreed, log_ps, adjusted, strict=True)
        ]
        return sorted(found, key=lambda a: (a.log10_p, a.account))

    def _seen(self, texts: Iterable[str]) -> dict[tuple[str, str], int]:
        """(set, preceding word) -> the wording that stands there, -1 for a draw."""
        counts: dict[tuple[str, str], Counter[int]] = {}
        for text in texts:
            if len(text) > MAX_TEXT:
                raise InputError(f"at most {MAX_TEXT:,} characters a text; give it in parts")
            end = 0
            before = ""
            for found in self._pattern.finditer(text):
                before = _last_word(text[end : found.start()]) or before
                name = self._owner[found[0].casefold()]
                wordings = [w.casefold() for w in self._sets[name]]
                which = wordings.index(found[0].casefold())
                place = (name, before if self._width else "")
                counts.setdefault(place, Counter())[which] += 1
                before = _last_word(found[0]) or before
                end = found.end()
        return {place: _commoner(counter) for place, counter in counts.items()}


def load(data: bytes) -> list[Choice]:
    """The sets in a JSON file: `[{"name": "example", "wordings": ["for example", ...]}, ...]`.

    Raises `InputError`.
    """
    try:
        return msgspec.json.decode(data, type=list[Choice])
    except msgspec.MsgspecError as error:
        raise InputError(f"this is no list of choices: {error}") from None


def _check(choices: Sequence[Choice]) -> None:
    if not 1 <= len(choices) <= MAX_SETS or len({c.name for c in choices}) != len(choices):
        raise InputError(f"choices are 1 to {MAX_SETS} sets with names of their own")
    every: list[str] = []
    for choice in choices:
        wordings = [w.casefold() for w in choice.wordings]
        if not 2 <= len(wordings) <= MAX_WORDINGS or len(set(wordings)) != len(wordings):
            raise InputError(f"{choice.name}: a set has 2 to {MAX_WORDINGS} different wordings")
        if any(not w.strip() or w != w.strip() or len(w) > MAX_CHARS for w in wordings):
            raise InputError(
                f"{choice.name}: a wording has 1 to {MAX_CHARS} characters and no space around it"
            )
        every += wordings
    for one in every:
        for other in every:
            if one is not other and one in other:
                raise InputError(
                    f"{one!r} is a part of {other!r}: which stands in a text could not be told; "
                    "take one away"
                )


def _bounded(wording: str) -> str:
    """The wording as a pattern; a letter or digit at its edge must be the edge of a word."""
    left = r"(?<!\w)" if wording[0].isalnum() else ""
    right = r"(?!\w)" if wording[-1].isalnum() else ""
    return f"{left}{re.escape(wording)}{right}"


def _last_word(text: str) -> str:
    found = _LAST_WORD.search(text[-200:])
    return found[1].casefold() if found else ""


def _cased(wording: str, like: str) -> str:
    """The wording with a capital at its beginning where there was one."""
    return wording[0].upper() + wording[1:] if like[0].isupper() else wording


def _commoner(counter: Counter[int]) -> int:
    (first, most), *rest = counter.most_common(2)
    return -1 if rest and rest[0][1] == most else first
