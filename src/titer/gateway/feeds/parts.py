"""What the formats have in common: one line's parts before its text is sketched."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from titer.core.nouns import Origin, Principal, ReplyFacts, Usage

#: Longest name (principal, organisation, model, endpoint) taken; a longer one is not a name.
MAX_NAME = 512
#: Latest time taken, 2100-01-01 (microseconds): a later one is a clock or a unit gone wrong.
MAX_AT = 4_102_444_800_000_000
#: Most tokens in one exchange that are believed.
MAX_TOKENS = 1 << 31

#: Largest network number: they have 32 bits.
MAX_ASN = (1 << 32) - 1

#: What a JSON text opens with: a time that is a number need not be tried as a text first.
QUOTE = ord('"')

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_moment = msgspec.json.Decoder(dt.datetime)
_day = msgspec.json.Decoder(dt.date)
_any = msgspec.json.Decoder()
_REFUSALS = frozenset(("refusal", "content_filter"))


class Bad(Exception):  # noqa: N818 - a verdict on a line, never seen by a person as an error
    """A line that cannot be used; `reason` is a short slug that repeats none of its text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


#: What reading a hostile line may raise; `why` puts it into words.
FAILURES = (Bad, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def why(error: Exception) -> str:
    """Why a line is bad. Nothing of it is repeated: msgspec's own words may hold a key."""
    if isinstance(error, Bad):
        return error.reason
    if isinstance(error, msgspec.ValidationError):
        return "not an object"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "cut short" if "truncated" in str(error) else "not JSON"


def keyed_id(line: bytes, key: bytes) -> str:
    """An id of a line that has none: keyed, so that it tests no guess of the text."""
    return hashlib.blake2b(line, key=key, digest_size=12).hexdigest()


class Parts(msgspec.Struct):
    """One line, read: everything but the text's sketch. `body` is None when the line has none."""

    at: int
    principal: Principal
    endpoint: str
    body: Mapping[str, Any] | None = None
    bytes_in: int = 0
    origin: Origin = Origin()
    usage: Usage | None = None
    reply: ReplyFacts | None = None
    status: int = 200
    id: str = ""


def moment(value: Any) -> int:
    """Microseconds since 1970 of an ISO 8601 text, or of a number of seconds (or ms, or us).

    Raises `Bad`. A time without a zone is taken as UTC.
    """
    if isinstance(value, str):
        return moment_json(msgspec.json.encode(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Bad("wrong type: at")
    if isinstance(value, float) and not 0 <= value < MAX_AT:
        raise Bad("out of range: at")
    # Seconds until the year 5138 are below 1e11; the same instant in ms and us lies above.
    if value < 1e11:
        micros = round(value * 1_000_000)
    elif value < 1e14:
        micros = round(value * 1_000)
    else:
        micros = round(value)
    if not 0 <= micros < MAX_AT:
        raise Bad("out of range: at")
    return micros


def moment_json(raw: bytes | msgspec.Raw) -> int:
    """The same for a value that is still JSON."""
    if memoryview(raw)[0] == QUOTE:
        try:
            when = _moment.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            if when.tzinfo is None:
                when = when.replace(tzinfo=dt.UTC)
            micros = (when - _EPOCH) // _MICROSECOND
            if not 0 <= micros < MAX_AT:
                raise Bad("out of range: at")
            return micros
    value = _any.decode(raw)
    if isinstance(value, str):
        raise Bad("not a time: at")
    return moment(value)


def day_json(raw: bytes | msgspec.Raw) -> int:
    """Microseconds of a date or time that is still JSON; 0 when it is neither."""
    try:
        day = _day.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return moment_json(raw)
        except (Bad, msgspec.DecodeError):
            return 0
    return max(0, (day - _EPOCH.date()).days * 86_400_000_000)


def name(value: Any, what: str) -> str:
    """A required name. Raises `Bad`."""
    if value is None or value == "":
        raise Bad(f"missing: {what}")
    if not isinstance(value, str):
        raise Bad(f"wrong type: {what}")
    if len(value) > MAX_NAME:
        raise Bad(f"too long: {what}")
    return value


def word(value: Any) -> str:
    """An optional name: empty when missing, of another type, or too long."""
    return value if isinstance(value, str) and len(value) <= MAX_NAME else ""


def count(value: Any) -> int | None:
    """A believable number of tokens, or None."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_TOKENS:
        return None
    return value


def number(value: Any) -> int:
    """A network number (RFC 6793), or 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ASN:
        return 0
    return value


def table(value: Any) -> Mapping[str, Any]:
    """An optional object: empty when missing or of another type."""
    return value if isinstance(value, dict) else {}


def status(value: Any, default: int = 200) -> int:
    """An HTTP status, or the default."""
    if isinstance(value, str) and len(value) == 3 and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return value
    return default


def reply_facts(*, text: Any, reasoning: Any, finish: Any) -> ReplyFacts:
    """What a logged reply was like; a log holds reasoning as text, so its tokens are estimated
    at 4 characters each.
    """
    said = text if isinstance(text, str) else ""
    thought = reasoning if isinstance(reasoning, str) else ""
    ended = finish if isinstance(finish, str) and len(finish) <= 64 else ""
    return ReplyFacts(
        finish=ended,
        chars=len(said),
        reasoning_tokens=len(thought) // 4,
        refused=ended in _REFUSALS,
    )
