"""What is wrong with a system prompt before anybody attacks it.

Each check is one rule with an id, so that an author can switch it off by name and look it up
(docs/how-to/protect-a-prompt.md). Findings name a line and never repeat what they found.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Literal

import msgspec

Level = Literal["error", "warning"]

#: Where (None: nowhere in particular), and what sort of thing.
Found = tuple[int | None, str]

#: Characters of one prompt that are read: longer than any context that is served today.
MAX_CHARS = 1_000_000
#: Findings told of one rule, and looked for at most: a prompt of secrets is not a report.
MAX_EACH = 20
MAX_FOUND = 1_000

#: Characters above which a prompt is worth splitting: rules in the middle are followed less.
LONG = 16_000
#: Characters from which a line said twice is no accident of layout.
LEAST_REPEATED = 40
#: Bits a character of a string that is random: base64 has 6, words of a language about 3.5.
RANDOM_BITS = 3.9


class Remark(msgspec.Struct, frozen=True):
    """One thing to mend. `line` counts from 1; 0 speaks about the whole."""

    rule: str
    level: Level
    line: int
    message: str


class Rule(msgspec.Struct, frozen=True):
    """One check: what `find` finds goes into the gap of `message`."""

    name: str
    level: Level
    find: Callable[[str], Iterator[Found]]
    message: str


_SECRETS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY")),
    ("an API key", re.compile(r"\b(?:sk|pk|rk|titer)[-_][A-Za-z0-9_-]{16,}")),
    ("a cloud access key", re.compile(r"\b(?:AKIA|ASIA|AIza)[A-Za-z0-9_-]{12,}")),
    ("an access token", re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hf_)\w{10,}")),
    ("a JSON web token", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")),
    ("a bearer credential", re.compile(r"(?i)\bbearer\s{1,9}[A-Za-z0-9._~+/-]{16}")),
    (
        "a password in a URL",
        re.compile(r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,80}:[^\s/@]{1,80}@"),
    ),
    (
        "a password",
        re.compile(
            r"(?i)\b(?:pass(?:word|wd|code|phrase)\s{0,9}(?:is|:|=)"
            r"|(?:secret|(?:api|access)[ _-]?(?:key|code|token))\s{0,9}[:=])"
            r"\s{0,9}[\"'`]?(?!\{|<|\[|\b(?:a|an|the|not|never|to|required|known)\b)\S{4}"
        ),
    ),
)
_PERSONAL: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("an e-mail address", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.\w")),
    (
        "an address of a private network",
        re.compile(
            r"\b(?:10\.\d{1,3}|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d{1,3}\.\d{1,3}\b"
            r"|(?i:\b[\w-]{1,63}\.(?:internal|corp|intranet|local)\b)"
        ),
    ),
)
_RANDOM = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_SLOT = re.compile(
    r"\{\{[^{}\n]{1,60}\}\}|\$\{[^{}\n]{1,60}\}|(?<![\w{])\{[A-Za-z_][\w. ]{0,40}\}"
)
_UNTRUSTED = re.compile(
    r"(?i)user|input|query|question|message|document|context|text|content|result|history|chat"
    r"|article|email|page|file|review|comment"
)
_FENCE = re.compile(r"(?i)<[a-z_ -]+>|\[(?:data|begin|start)|\"\"\"|```|<<|###|===|---")
_OUTRANKS = re.compile(
    r"(?i)(?:cannot|can not|can't|must not|may not|never|do not|don't|ignore|disregard)"
    r"[^.\n]{0,160}"
    r"(?:override|overrule|outrank|cancel|change|supersede|instruction)"
)
_SECRECY = re.compile(
    r"(?i)(?:never|do not|don't|must not|not)[^.\n]{0,80}"
    r"(?:reveal|disclose|share|repeat|quote|output|mention|tell|print)[^.\n]{0,80}"
)
_PRECIOUS = re.compile(r"(?i)pass(?:word|code|phrase)|\b(?:secrets?|keys?|codes?|tokens?)\b")
_TELLING = re.compile(
    r"(?i)(?:say|reply|respond|answer|state)[^.\n]{0,40}[\"'\u201c](?=[^\"'\u201d\n]{0,80}"
    r"(?:cannot|can't|not able|unable|sorry|not allowed))"
)


def lint(prompt: str, *, skip: Iterable[str] = ()) -> list[Remark]:
    """Everything to mend, worst first. Raises ValueError for an unknown rule or a giant prompt."""
    left_out = set(skip)
    unknown = left_out - {rule.name for rule in RULES}
    if unknown:
        known = ", ".join(rule.name for rule in RULES)
        raise ValueError(f"there is no rule {min(unknown)}; known are {known}")
    if len(prompt) > MAX_CHARS:
        raise ValueError(f"the prompt has more than {MAX_CHARS:,} characters")
    remarks: list[Remark] = []
    for rule in RULES:
        if rule.name in left_out:
            continue
        found = list(islice(rule.find(prompt), MAX_FOUND))
        remarks += [
            Remark(rule.name, rule.level, _line(prompt, at), rule.message.format(what))
            for at, what in found[:MAX_EACH]
        ]
        if len(found) > MAX_EACH:
            more = f"{'at least ' * (len(found) == MAX_FOUND)}{len(found) - MAX_EACH} more"
            remarks.append(Remark(rule.name, rule.level, 0, f"and {more} of the same kind"))
    return sorted(remarks, key=lambda r: (r.level != "error", r.line, r.rule))


def _secrets(prompt: str) -> Iterator[Found]:
    taken: list[tuple[int, int]] = []
    for what, pattern in _SECRETS:
        for match in pattern.finditer(prompt):
            if not _overlaps(match, taken):
                taken.append(match.span())
                yield match.start(), what
    for match in _RANDOM.finditer(prompt):
        mixed = _entropy(match[0]) >= RANDOM_BITS and re.search(r"\d", match[0])
        if mixed and not _overlaps(match, taken):
            yield match.start(), "a random string, perhaps a credential"


def _personal(prompt: str) -> Iterator[Found]:
    for what, pattern in _PERSONAL:
        for match in pattern.finditer(prompt):
            yield match.start(), what


def _invisible(prompt: str) -> Iterator[Found]:
    for at, sign in enumerate(prompt):
        # The joiner within emoji and Indic words is honest.
        if unicodedata.category(sign) in ("Cf", "Co", "Cn") and sign != "\u200d":
            yield at, unicodedata.name(sign, f"U+{ord(sign):04X}")


def _hierarchy(prompt: str) -> Iterator[Found]:
    if not _OUTRANKS.search(prompt):
        yield None, ""


def _slots(prompt: str) -> Iterator[Found]:
    for match in _SLOT.finditer(prompt):
        if _UNTRUSTED.search(match[0]):
            before = prompt[max(0, match.start() - 120) : match.start()].rstrip()
            if not any(_FENCE.search(line) for line in before.rsplit("\n", 2)[-2:]):
                yield match.start(), ""


def _slot_last(prompt: str) -> Iterator[Found]:
    ends = [m.end() for m in _SLOT.finditer(prompt) if _UNTRUSTED.search(m[0])]
    if ends and not prompt[ends[-1] :].strip():
        yield ends[-1] - 1, ""


def _vault(prompt: str) -> Iterator[Found]:
    for match in _SECRECY.finditer(prompt):
        if _PRECIOUS.search(match[0]):
            yield match.start(), ""


def _telling(prompt: str) -> Iterator[Found]:
    for match in _TELLING.finditer(prompt):
        yield match.start(), ""


def _long(prompt: str) -> Iterator[Found]:
    if len(prompt) > LONG:
        yield None, f"{len(prompt):,}"


def _repeated(prompt: str) -> Iterator[Found]:
    seen: set[str] = set()
    at = 0
    for line in prompt.splitlines(keepends=True):
        key = " ".join(line.lower().split())
        if len(key) >= LEAST_REPEATED:
            if key in seen:
                yield at, ""
            seen.add(key)
        at += len(line)


def _line(prompt: str, at: int | None) -> int:
    return 0 if at is None else prompt.count("\n", 0, at) + 1


def _overlaps(match: re.Match[str], spans: list[tuple[int, int]]) -> bool:
    return any(start < match.end() and match.start() < end for start, end in spans)


def _entropy(text: str) -> float:
    """Bits a character (Shannon) of the text's own distribution."""
    n = len(text)
    return -sum(c / n * math.log2(c / n) for c in Counter(text).values())


RULES: tuple[Rule, ...] = (
    Rule(
        "secret", "error", _secrets,
        "looks like {}: whatever stands in a prompt will be read out one day; leave it to the code"
        " behind a tool",
    ),
    Rule(
        "vault", "error", _vault,
        "the prompt is asked to keep a secret: it cannot. Keep it in code, and let the leak guard"
        " know its hash",
    ),
    Rule("invisible", "error", _invisible, "an invisible character ({}): take it out"),
    Rule(
        "slot", "error", _slots,
        "a slot for text of others without marks around it: the model cannot tell where"
        " instructions end; put it between marks, or into a turn of the user",
    ),
    Rule(
        "personal", "warning", _personal, "{}: it leaves with the prompt; name a role instead"
    ),
    Rule(
        "hierarchy", "warning", _hierarchy,
        "nothing says that text of users, documents and tools cannot change these instructions;"
        " `titer prompt harden` adds it",
    ),
    Rule(
        "slot-last", "warning", _slot_last,
        "the prompt ends with text of others: say behind it once more what to do with it",
    ),
    Rule(
        "telling-refusal", "warning", _telling,
        "a fixed refusal tells that there is something to find, and when it was nearly found: let"
        " the model go on with its task",
    ),
    Rule(
        "long", "warning", _long,
        "{} characters: rules in the middle of long prompts are followed less; move reference"
        " material into documents that are looked up",
    ),
    Rule(
        "repeated", "warning", _repeated,
        "says again what an earlier line says: one of the two will be stale",
    ),
)  # fmt: skip
