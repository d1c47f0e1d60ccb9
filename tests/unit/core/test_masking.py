"""Which tokens are literals, one rule at a time."""

import numpy as np
import pytest

from titer.core.masking import CLASSES, LETTER, MARGIN, WIDE, masked_tokens, plain_marks
from titer.core.sketch import _tokens


def masked(text: str) -> list[str]:
    data = bytearray(b"\n\x01user " + text.encode() + b"\n" + MARGIN)
    plain_marks(data)
    classes = np.frombuffer(data.translate(CLASSES), dtype=np.uint8)
    starts, sizes = _tokens(classes)
    flags = masked_tokens(data, classes, starts, np.array([0]))
    return [
        bytes(data[start : start + size]).decode()
        for start, size, flag in zip(starts, sizes, flags, strict=True)
        if flag
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("give me 3 of a1b2", ["3", "a1b2"]),
        ('say "two words" now', ["two", "words"]),
        ('say "two words now', []),
        ('one "a" and "b c" end', ["a", "b", "c"]),
        ('line "a\nb" end', []),
        ("say 'two words' now", ["two", "words"]),
        ("don't say it isn't", []),
        ("the dogs' bowl and the cats' bowl", []),
        ("run `ls now` twice", ["ls", "now"]),
        ("```\nfor x in y\n``` end", ["for", "x", "in", "y"]),
        ("``` never closed", []),
        ('"""\ndoc text\n""" end', ["doc", "text"]),
        ("see http://a.example/b now", ["http", "a", "example", "b"]),
        ("ask a.b@c.example now", ["a", "b", "c", "example"]),
        ("@handle stays", []),
        ("“two words” now", ["two", "words"]),
        ("«deux mots» puis", ["deux", "mots"]),
        ('empty "" here', []),
    ],
)
def test_rules(text, words):
    assert masked(text) == words


def test_quotes_do_not_reach_into_the_next_text():
    one, two = b'\n\x01user say "open\n', b'\n\x01user and close" it\n'
    data = bytearray(one + two + MARGIN)
    classes = np.frombuffer(data.translate(CLASSES), dtype=np.uint8)
    starts, _ = _tokens(classes)
    assert not masked_tokens(data, classes, starts, np.array([0, len(one)])).any()


def test_marks_keep_their_length():
    text = "“a” ‘b’ – — … «c» 「d」、。\u00a0end"
    data = bytearray(text.encode() + MARGIN)
    plain_marks(data)
    assert len(data) == len(text.encode() + MARGIN)
    assert bytes(data).rstrip(b"\x00").isascii()


def test_classes_cover_every_byte():
    assert len(CLASSES) == 256
    assert CLASSES[0xE4] == WIDE
    assert CLASSES[0xC3] == LETTER
