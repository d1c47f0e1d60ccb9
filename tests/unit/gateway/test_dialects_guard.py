"""The strict reader: what it refuses, and what it must not refuse."""

from __future__ import annotations

import pytest

from titer.core.errors import Refused
from titer.gateway.dialects.json_guard import MAX_DEPTH, read_object

REFUSED = {
    "not UTF-8": (b'{"a":"\xff"}', "invalid_utf8"),
    "a surrogate in UTF-8": (b'{"a":"\xed\xa0\x80"}', "invalid_utf8"),
    "an overlong encoding": (b'{"a":"\xc0\x80"}', "invalid_utf8"),
    "a lone surrogate": (b'{"a":"\\ud800"}', "invalid_json"),
    "a lone low surrogate": (b'{"a":"\\udc00x"}', "invalid_json"),
    "a byte-order mark": (b"\xef\xbb\xbf{}", "invalid_json"),
    "NaN": (b'{"a":NaN}', "invalid_json"),
    "Infinity": (b'{"a":-Infinity}', "invalid_json"),
    "a float beyond a double": (b'{"a":1e999}', "number_range"),
    "an integer beyond 64 bits": (b'{"a":18446744073709551616}', "number_range"),
    "a negative one": (b'{"a":[-9223372036854775809]}', "number_range"),
    "five thousand digits": (b'{"a":' + b"9" * 5000 + b"}", "number_range"),
    "a duplicate": (b'{"a":1,"a":2}', "duplicate_key"),
    "a duplicate of the same value": (b'{"a":1,"a":1}', "duplicate_key"),
    "a deep duplicate": (b'{"a":[{"b":{"c":1,"c":2}}]}', "duplicate_key"),
    "a duplicate written with escapes": (b'{"a":1,"\\u0061":2}', "duplicate_key"),
    "an escaped colon that hides one": (b'{"x":"\\u003a","a":1,"a":2}', "duplicate_key"),
    "an escaped colon in the dropped one": (b'{"a":"\\u003A::","a":"\\u003a"}', "duplicate_key"),
    "a dropped object": (b'{"a":{"b":":"},"a":2}', "duplicate_key"),
    "an array": (b"[]", "not_an_object"),
    "a string": (b'"{}"', "not_an_object"),
    "null": (b"null", "not_an_object"),
    "nothing": (b"", "invalid_json"),
    "something after it": (b"{} {}", "invalid_json"),
    "a NUL after it": (b"{}\x00", "invalid_json"),
    "a trailing comma": (b'{"a":1,}', "invalid_json"),
    "a comment": (b'{"a":1/*x*/}', "invalid_json"),
    "single quotes": (b"{'a':1}", "invalid_json"),
    "a control character in a string": (b'{"a":"\x01"}', "invalid_json"),
    "ten thousand levels": (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too_deep"),
    "ten thousand objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too_deep"),
    "one level too many": (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "too_deep"),
}

ACCEPTED = {
    "colons in strings": b'{"a":"::","b:":[":"],"c":{":":":"}}',
    "an escaped colon": b'{"a":"\\u003a:","b":"\\u003A"}',
    "escaped quotes and backslashes": b'{"a":"\\\\\\":\\"","b":"\\\\"}',
    "the same name in sibling objects": b'{"a":[{"b":1},{"b":2}],"c":{"b":3}}',
    "a surrogate pair": b'{"a":"\\ud83d\\ude00"}',
    "the largest integers": b'{"a":18446744073709551615,"b":-9223372036854775808}',
    "white space": b' \r\n\t{ "a" :\t1 } \n',
    "an empty object": b"{}",
    "an empty name": b'{"":1}',
    "a hundred levels": b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
}


@pytest.mark.parametrize(("raw", "code"), REFUSED.values(), ids=REFUSED)
def test_ambiguous_bodies_are_refused(raw, code):
    with pytest.raises(Refused) as caught:
        read_object(raw)
    problem = caught.value.problem
    assert (problem.kind, problem.code) == ("invalid_request", code)


@pytest.mark.parametrize("raw", ACCEPTED.values(), ids=ACCEPTED)
def test_what_every_reader_agrees_on_is_accepted(raw):
    import json

    assert read_object(raw) == json.loads(raw)


def test_a_refusal_repeats_nothing_of_the_body():
    with pytest.raises(Refused) as caught:
        read_object(b'{"hunter2":1,"hunter2":"sk-secret"}')
    assert "hunter2" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "filler", ["a" * 40, "12:34 ", "é：ñ " * 9], ids=["prose", "dense", "wide"]
)
@pytest.mark.parametrize("front", ["", ":" * 600])
def test_long_bodies_are_counted_right_whichever_way_is_faster(filler, front):
    text = front + (filler + "a: b ") * 400
    doubled = b'{"a":"%b","x":1,"x":2}' % text.encode()
    assert read_object(b'{"a":"%b","x":1}' % text.encode()) == {"a": text, "x": 1}
    with pytest.raises(Refused) as caught:
        read_object(doubled)
    assert caught.value.problem.code == "duplicate_key"
