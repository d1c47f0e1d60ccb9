"""The duplicate check against an oracle, over documents made to confuse it."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from titer.core.errors import Refused
from titer.gateway.dialects.json_guard import read_object

NAMES = st.sampled_from(["a", "b", ":", "a:", "", '"', "\\", '\\":', "é", "\u003a"])
STRINGS = st.text(alphabet=':\\"u03aAé{}[],\n ', max_size=12)
SCALARS = st.one_of(STRINGS, st.integers(-5, 5), st.booleans(), st.none())


def escaped(text: str, flags: list[bool]) -> str:
    """JSON for `text` with some characters written as escapes."""
    out = ""
    for i, c in enumerate(text):
        if flags and flags[i % len(flags)]:
            out += f"\\u{ord(c):04x}" if i % 2 else f"\\u{ord(c):04X}"
        else:
            out += json.dumps(c, ensure_ascii=False)[1:-1]
    return f'"{out}"'


def written(value, flags, space):
    """JSON of a tree whose objects are lists of pairs (so that names may repeat)."""
    if isinstance(value, tuple):
        members = (
            escaped(k, flags) + space + ":" + space + written(v, flags, space) for k, v in value
        )
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(v, flags, space) for v in value) + "]"
    return escaped(value, flags) if isinstance(value, str) else json.dumps(value)


def pairs(children):
    return st.lists(st.tuples(NAMES, children), max_size=4).map(tuple)


TREES = pairs(
    st.recursive(SCALARS, lambda c: st.one_of(st.lists(c, max_size=4), pairs(c)), max_leaves=12)
)


def has_duplicates(text: str) -> bool:
    found = False

    def hook(members):
        nonlocal found
        names = [k for k, _ in members]
        found = found or len(set(names)) != len(names)
        return dict(members)

    json.loads(text, object_pairs_hook=hook)
    return found


@settings(max_examples=400, deadline=None)
@given(TREES, st.lists(st.booleans(), max_size=3), st.sampled_from(["", " ", "\n"]))
@example((("a", ":"), ("a", "\u003a")), [True], "")
def test_duplicates_are_refused_and_nothing_else(tree, flags, space):
    text = written(tree, flags, space)
    if has_duplicates(text):
        with pytest.raises(Refused) as caught:
            read_object(text.encode())
        assert caught.value.problem.code == "duplicate_key"
    else:
        assert read_object(text.encode()) == json.loads(text)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text(alphabet='{}[]":,\\u0123eE+-.ntf ', max_size=60)))
def test_any_bytes_are_read_as_python_reads_them_or_refused(raw):
    data = raw if isinstance(raw, bytes) else raw.encode()
    try:
        value = read_object(data)
    except Refused as refused:
        assert refused.problem.kind == "invalid_request"
    else:
        assert value == json.loads(data)
