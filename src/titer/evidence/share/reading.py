"""What a partner sent, read as the work of a stranger: STIX 2.1 bundles and MISP events.

Only what is needed is decoded, and no reference is followed, so that a cycle is nothing but text.
Sizes are checked before anything is decoded; an object of a wrong type is skipped and counted; a
pattern is taken only when every part of it is an indicator that titer knows.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from titer.core.errors import InputError
from titer.core.indicators import NET4, NET6, Indicator, canonical
from titer.evidence.share import tlp
from titer.evidence.share.stix import EXTENSION, PROPERTY

#: Bytes of one file or page: a campaign of 25,000 named accounts is 9 MB.
MAX_BYTES = 32 << 20
#: Commas, which bound how many objects there can be: each costs 64 bytes until it is looked at.
MAX_COMMAS = 2_000_000
#: Indicators that are taken of one partner at a time.
MAX_INDICATORS = 100_000
#: Words under which they are looked for: a wide range is one for each /24 or /48 in it.
MAX_WORDS = 500_000
#: Characters of a pattern, and values in it.
MAX_PATTERN, MAX_TERMS = 16_384, 256

_TERM = re.compile(
    r"(?P<range>ipv[46])-addr:value (?:=|ISSUBSET) '(?P<value>[0-9A-Fa-f.:/]{2,49})'"
    r"|autonomous-system:number = (?P<asn>[0-9]{1,10})"
    rf"|network-traffic:extensions\.'{EXTENSION}'\.(?P<name>[a-z0-9_]{{1,40}})"
    r" = '(?P<print>[0-9a-z_]{1,64})'"
)
_KIND = {name: kind for kind, name in PROPERTY.items()}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


class Told(msgspec.Struct, frozen=True):
    """One indicator as a partner tells it: until when it holds (microseconds; 0 unsaid), how sure
    the partner is (0 to 100), and how far it may travel.
    """

    indicator: Indicator
    until: int
    confidence: int
    tlp: str


class Read(msgspec.Struct):
    """What was read. `skipped` counts by reason; `objects` is how many there were; `revoked` are
    the keys of indicators that the partner took back.
    """

    told: list[Told]
    revoked: set[str] = set()
    objects: int = 0
    words: int = 0
    skipped: dict[str, int] = {}

    def skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1


class _Bundle(msgspec.Struct):
    type: str
    objects: list[msgspec.Raw] = []


class _Envelope(msgspec.Struct):
    """A TAXII envelope: a bundle without its name, and where to go on (TAXII 2.1, 3.7)."""

    objects: list[msgspec.Raw] = []
    more: bool = False
    next: str = ""


class _Type(msgspec.Struct):
    type: str


class _Indicator(msgspec.Struct):
    pattern: str
    pattern_type: str = "stix"
    valid_until: str = ""
    confidence: int = 50
    revoked: bool = False
    object_marking_refs: list[str] = []


class _Attribute(msgspec.Struct):
    type: str
    value: str
    comment: str = ""
    deleted: bool = False


class _Tag(msgspec.Struct):
    name: str


class _Event(msgspec.Struct):
    Attribute: list[msgspec.Raw] = []
    Tag: list[_Tag] = []


class _Misp(msgspec.Struct):
    Event: _Event


def read(data: bytes, *, unmarked: str) -> Read:
    """A STIX bundle or a MISP event. `unmarked` is the TLP of what bears no marking.

    Raises `InputError` when it is neither, or too large.
    """
    _bounded(data)
    try:
        bundle = msgspec.json.decode(data, type=_Bundle)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return _misp(data, unmarked)
    if bundle.type != "bundle":
        raise InputError("this is no STIX bundle: its type is another")
    out = Read([])
    take(bundle.objects, out, unmarked=unmarked)
    return out


def envelope(data: bytes, out: Read, *, unmarked: str) -> tuple[bool, str]:
    """Take one page of a TAXII collection in; returns (more, next). Raises `InputError`."""
    _bounded(data)
    try:
        page = msgspec.json.decode(data or b"{}", type=_Envelope)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise InputError("the reply is no TAXII envelope") from None
    take(page.objects, out, unmarked=unmarked)
    return page.more, page.next


def take(objects: list[msgspec.Raw], out: Read, *, unmarked: str) -> None:
    """Take the indicators among some objects in, and count what is skipped."""
    for raw in objects:
        out.objects += 1
        try:
            if msgspec.json.decode(raw, type=_Type).type != "indicator":
                continue
            found = msgspec.json.decode(raw, type=_Indicator)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            out.skip("not of the standard's types")
            continue
        _take(found, out, unmarked)


def _take(found: _Indicator, out: Read, unmarked: str) -> None:
    if found.pattern_type != "stix":
        out.skip("another pattern language")
        return
    try:
        terms = _terms(found.pattern)
    except InputError:
        out.skip("a pattern that says more than titer can look for")
        return
    if found.revoked:
        out.skip("revoked")
        if len(out.revoked) < MAX_INDICATORS:
            out.revoked.update(one.key for one in terms)
        return
    level = tlp.strictest(found.object_marking_refs[:16], unmarked=unmarked)
    sure = min(max(found.confidence, 0), 100)
    _keep(out, terms, _moment(found.valid_until), sure, level)


def _misp(data: bytes, unmarked: str) -> Read:
    try:
        event = msgspec.json.decode(data, type=_Misp).Event
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise InputError("this is neither a STIX 2.1 bundle nor a MISP event in JSON") from None
    level = unmarked
    marks = [tag.name[4:] for tag in event.Tag[:64] if tag.name.startswith("tlp:")]
    known = [mark for mark in marks if mark in tlp.LEVELS]
    if known:
        level = max(known, key=tlp.LEVELS.index)
    out = Read([])
    for raw in event.Attribute:
        out.objects += 1
        try:
            one = msgspec.json.decode(raw, type=_Attribute)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            out.skip("not of the standard's types")
            continue
        kind = _misp_kind(one)
        if one.deleted or not kind:
            continue
        try:
            _keep(out, [canonical(kind, one.value[:64])], 0, 50, level)
        except InputError:
            out.skip("a value that is no such indicator")
    return out


def _misp_kind(one: _Attribute) -> str:
    """Of which kind an attribute is; "" for one that titer does not look for."""
    if one.type in ("ip-src", "ip-dst"):
        return "ipv6" if ":" in one.value else "ipv4"
    if one.type == "AS":
        return "asn"
    if one.type == "other":
        return "ja4" if one.comment.startswith("JA4") else (
            "headers" if one.comment.startswith("SHA-256/64 of header names") else ""
        )  # fmt: skip
    return ""


def _keep(out: Read, terms: list[Indicator], until: int, sure: int, level: str) -> None:
    for one in terms:
        wide = _width(one)
        if len(out.told) >= MAX_INDICATORS or out.words + wide > MAX_WORDS:
            out.skip(f"beyond {MAX_INDICATORS} indicators or {MAX_WORDS} networks")
        elif level == "red":
            out.skip("TLP:RED: for named people, not for a system")
        elif not wide:
            out.skip("narrower than /24 or /48: it may be one home")
        else:
            out.words += wide
            out.told.append(Told(one, until, sure, level))


def _terms(pattern: str) -> list[Indicator]:
    """The indicators of a pattern `[a OR b ...]`. Raises `InputError` for any other."""
    if len(pattern) > MAX_PATTERN or pattern[:1] != "[" or pattern[-1:] != "]":
        raise InputError("no simple pattern")
    parts = pattern[1:-1].split(" OR ")
    if len(parts) > MAX_TERMS:
        raise InputError("too many terms")
    out = []
    for part in parts:
        found = _TERM.fullmatch(part.strip())
        if found is None:
            raise InputError("no term that titer knows")
        kind, value = _of(found)
        out.append(canonical(kind, value))
    return out


def _of(found: re.Match[str]) -> tuple[str, str]:
    if found["range"]:
        return found["range"], found["value"]
    if found["asn"]:
        return "asn", found["asn"]
    return _KIND.get(found["name"], ""), found["print"]


def _width(one: Indicator) -> int:
    """Under how many words an indicator is looked for; 0 for a range that is too narrow."""
    if one.kind not in ("ipv4", "ipv6"):
        return 1
    bits = (NET4 if one.kind == "ipv4" else NET6) - int(one.value.rpartition("/")[2])
    return 1 << bits if bits >= 0 else 0


def _moment(text: str) -> int:
    """A STIX timestamp in microseconds; 0 when it is none."""
    if not _TIME.fullmatch(text):
        return 0
    try:
        at = datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC)
    except ValueError:
        return 0
    return max(0, int(at.timestamp() * 1_000_000))


def _bounded(data: Any) -> None:
    """Raise `InputError` for what would cost too much to decode."""
    if len(data) > MAX_BYTES:
        raise InputError(f"more than {MAX_BYTES >> 20} MB; ask for it in parts")
    if data.count(b",") > MAX_COMMAS:
        raise InputError("this is no list of indicators: it has too many parts")
