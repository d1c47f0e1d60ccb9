"""What goes over the wire in TAXII 2.1: requests, replies, errors, filters and pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import msgspec

from titer.gateway.sharing.taxii_store import Kept, Wanted, moment

#: Objects of a page, values of a filter, and bytes of one posted object, which is kept.
MAX_LIMIT, MAX_MATCH, MAX_OBJECT = 1_000, 100, 1 << 20

#: What a path can name: `type--uuid` as a rule (STIX 2.1, 2.9), and nothing that ends a segment.
_ID = re.compile(r"[a-z][a-z0-9-]{0,249}--[A-Za-z0-9-]{1,64}")


class Asked(msgspec.Struct, frozen=True):
    """A request. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


class Answer(msgspec.Struct, frozen=True):
    """A reply: status, JSON, and headers besides the usual."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class No(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered by an error message (3.6.1)."""

    def __init__(self, status: int, title: str, why: str) -> None:
        super().__init__(title)
        body = {"title": title, "description": why, "http_status": str(status)}
        extra = {
            401: (("www-authenticate", 'Basic realm="taxii", charset="UTF-8"'),),
            429: (("retry-after", "600"),),
        }
        self.answer = Answer(status, msgspec.json.encode(body), extra.get(status, ()))


def media(text: str) -> str:
    """A media type as it is compared: case, spaces and quotes tell nothing (RFC 9110, 8.3.1)."""
    return re.sub(r'[\s"]', "", text).lower()


def wanted(
    query: str, *, only: frozenset[str] | None = None, versions: tuple[str, ...] = ("last",)
) -> Wanted:
    """The filters of a query, of which `only` these have a meaning. Raises `No` for others."""
    after, limit = 0, MAX_LIMIT
    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=20):
        words = tuple(value.split(","))
        if len(words) > MAX_MATCH:
            raise No(400, "Bad request", f"A filter takes {MAX_MATCH} values at most.")
        if only is not None and name not in only:
            raise No(400, "Bad request", f"{name[:40]!r} does not go with this request.")
        match name:
            case "limit":
                if not value.isdigit() or not int(value[:9]) > 0:
                    raise No(400, "Bad request", "limit is a number of at least 1.")
                limit = min(int(value[:9]), MAX_LIMIT)
            case "added_after":
                after = max(after, _micros(value))
            case "next":
                if not value.isdigit() or len(value) > 18:
                    raise No(400, "Bad request", "next is what the last page said.")
                after = max(after, int(value))
            case "match[id]":
                ids = words
            case "match[type]":
                types = words
            case "match[version]":
                versions = words
            case "match[spec_version]":
                if "2.1" not in words:
                    types = ("",)  # nothing is of another version
            case _:
                raise No(400, "Bad request", f"There is no filter {name[:40]!r}.")
    return Wanted(after=after, limit=limit, ids=ids, types=types, versions=versions)


def page(body: dict[str, object], found: list[Kept], *, more: bool) -> Answer:
    """An envelope with where to go on. An empty one is an empty object (TAXII 2.1, 5.4)."""
    if not found:
        return plain({})
    if more:
        body = {"more": True, "next": str(found[-1].added), **body}
    else:
        body = {"more": False, **body}
    return Answer(200, msgspec.json.encode(body), (
        ("x-taxii-date-added-first", moment(found[0].added)),
        ("x-taxii-date-added-last", moment(found[-1].added)),
    ))  # fmt: skip


def posted(raw: msgspec.Raw) -> dict[str, object] | str:
    """A posted object, or why it is none."""
    if len(raw) > MAX_OBJECT:
        return f"an object has at most {MAX_OBJECT} bytes"
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return "this is no JSON"
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        return "an object has a type and an id"
    if not isinstance(found.get("id"), str) or not _ID.fullmatch(found["id"]):
        return "an id is type--UUID"
    return found


def plain(value: object) -> Answer:
    """A reply of 200 with this as its JSON."""
    return Answer(200, msgspec.json.encode(value))


def _micros(text: str) -> int:
    try:
        at = datetime.fromisoformat(text[:40])
    except ValueError:
        raise No(400, "Bad request", "added_after is a time such as 2026-01-31T00:00:00Z.") \
            from None  # fmt: skip
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    whole = at - datetime(1970, 1, 1, tzinfo=UTC)
    return max(0, (whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds)
