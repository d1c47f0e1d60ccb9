"""Reads a request body so that the upstream cannot read it otherwise.

Every JSON reader agrees on most documents; an attacker needs one where the gateway and the
model server do not (a policy that sees `"logprobs": false` while the engine sees `true`).
So whatever readers are known to differ on is refused:

1. bytes that are not UTF-8, a byte-order mark, lone surrogates    (readers replace or refuse)
2. NaN, Infinity, numbers beyond a double, integers beyond 64 bits  (readers round or refuse)
3. two members of one name in one object, at any depth              (first wins, or last)
4. nesting deeper than MAX_DEPTH                                    (recursion limits differ)
5. anything after the document, or a document that is not an object

Duplicates (3) are found without a slow hook: a decoded object has dropped its duplicates, so
it has fewer members than the bytes have structural colons. Colons inside strings survive
decoding one for one, unless they were written as an escape; that rare case is counted exactly.
"""

from __future__ import annotations

from typing import Any

import msgspec

from titer.core.errors import Refused
from titer.core.wire import Problem

#: Levels of arrays and objects. Real requests stay below 20 (tool schemas); serde_json, which
#: Rust servers use, stops at 128, so nothing that we accept is refused there.
MAX_DEPTH = 100
#: Integers outside are rounded by readers that use doubles or wrap in those that use int64.
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1

#: Bytes at the front by which the faster way to count is chosen; the result is the same.
SAMPLE = 512

_decode = msgspec.json.Decoder().decode


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`; raises `Refused` (invalid_request) for anything ambiguous."""
    try:
        value = _decode(raw)
    except UnicodeDecodeError:
        raise _refused("invalid_utf8", "the body is not valid UTF-8; encode it as UTF-8") from None
    except msgspec.ValidationError:
        raise _refused("number_range", "a number in the body is out of range") from None
    except msgspec.DecodeError:
        raise _refused(
            "invalid_json", "the body is not one well-formed JSON document (RFC 8259)"
        ) from None
    except RecursionError:
        raise _too_deep() from None
    if type(value) is not dict:
        raise _refused("not_an_object", "the body must be a JSON object")
    colons = _survey(value)
    if _colons(raw) != colons or (b"\\" in raw and b"\\u003" in raw):
        _count_exactly(raw, value)
    return value


def _survey(root: dict[str, Any]) -> int:
    """Members plus colons in strings; refuses depth and integers on the way, level by level."""
    colons = depth = 0
    level: list[Any] = [root]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        below: list[Any] = []
        for node in level:
            values = node
            if type(node) is dict:
                colons += len(node)
                for name in node:
                    if ":" in name:
                        colons += _colons(name.encode())
                values = node.values()
            for value in values:
                kind = type(value)
                if kind is str:
                    if ":" in value:
                        colons += _colons(value.encode())
                elif kind is dict or kind is list:
                    below.append(value)
                elif kind is int and not MIN_INTEGER <= value <= MAX_INTEGER:
                    raise _refused(
                        "number_range", "an integer in the body does not fit in 64 bits"
                    )
        level = below
    return colons


def _colons(data: bytes) -> int:
    """How many there are. `count` looks at byte after byte, `replace` jumps from one to the next
    and is ten times as fast in prose; in what is dense with them the other way round.
    """
    if data.count(b":", 0, SAMPLE) > SAMPLE // 32:
        return data.count(b":")
    return len(data) - len(data.replace(b":", b""))


def _count_exactly(raw: bytes, root: dict[str, Any]) -> None:
    """Refuse unless the colons outside strings are as many as the members of the tree."""
    bare = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    structural = sum(part.count(b":") for part in bare.split(b'"')[::2])
    members = 0
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            members += len(node)
            stack.extend(v for v in node.values() if type(v) in (dict, list))
        else:
            stack.extend(v for v in node if type(v) in (dict, list))
    if structural != members:
        raise _refused(
            "duplicate_key", "one object of the body has two members of the same name; send one"
        )


def _too_deep() -> Refused:
    return _refused("too_deep", f"the body is nested deeper than {MAX_DEPTH} levels")


def _refused(code: str, message: str) -> Refused:
    return Refused(Problem(kind="invalid_request", message=message, code=code))
