"""However a text is cut into pieces, the same characters leave; and what was hidden never does."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.runs import MOST
from titer.respond.leak_guard.scan import LONGEST, Scan, limits
from titer.respond.leak_guard.secrets import Watched, describe
from titer.respond.reasoning import structure
from titer.respond.reasoning.formats import UNION, Format
from titer.respond.reasoning.tags import TagChannel

pytestmark = pytest.mark.compiled

PROTECTED = (
    "The quarterly forecast of the harbour office lists seven ships, their masters, the tonnage of"
    " salt and timber, and the names of everyone who was paid to look away at night."
)
TOKEN = "tok-4f9a8c7be21d63"  # noqa: S105
INDEX = Index([PROTECTED])
WATCHED = Watched((describe("token", TOKEN, b"k" * 32),), b"k" * 32)
CODED = base64.b64encode(PROTECTED.encode()).decode()

#: What texts are made of: bits of tags, quotes, fences and protected text.
BITS = st.sampled_from(
    ["<think>", "</think>", "<thi", "nk>", "<", ">", "/", "`", "```", "\n", " ", '"', "~~~", "a",
     "hello world ", "[THINK]", "[/THINK]", "<|channel|>analysis", "<|message|>", "<|end|>",
     "<|start|>assistant", "<|channel|>final<|message|>", "analysis", "We ", "assistantfinal",
     "\\u003cthink\\u003e", "< think x='1' >", "</ think >", "<thinking>", "</thinking>", "é"]
)  # fmt: skip
LEAKS = st.sampled_from(
    [PROTECTED, PROTECTED[:60], PROTECTED[30:110], PROTECTED[::-1], CODED, CODED[7:], TOKEN,
     TOKEN[:9], " ".join(PROTECTED), PROTECTED.encode().hex(), "honest words of no interest, ",
     "\n", "x" * 50, "0101 ", "🙂", "\u200b"]
)  # fmt: skip


def pieces(text, cuts):
    marks = sorted({min(c, len(text)) for c in cuts})
    return [text[a:b] for a, b in zip([0, *marks], [*marks, len(text)], strict=True)]


@settings(max_examples=400, deadline=None)
@given(st.lists(BITS, max_size=25), st.lists(st.integers(0, 200), max_size=20), st.booleans(),
       st.booleans())  # fmt: skip
def test_tags(bits, cuts, inside, keep):
    text = "".join(bits)

    def through(parts):
        took = []
        channel = TagChannel(
            Format(UNION, inside=inside), whole=False, took=took.append,
            replace=structure if keep else None,
        )  # fmt: skip
        return "".join(map(channel.push, parts)) + channel.close(), "".join(took)

    assert through([text]) == through(pieces(text, cuts)) == through(list(text))


@settings(max_examples=150, deadline=None)
@given(st.lists(LEAKS, max_size=8), st.lists(st.integers(0, 2000), max_size=30))
def test_leaks(bits, cuts):
    text = " ".join(bits)

    def through(parts):
        scan = Scan(INDEX, limits(48), WATCHED)
        out = ""
        for part in parts:
            out += scan.push(part)
            assert scan.holding <= LONGEST + MOST
        return out + scan.close()

    whole = through([text])
    assert whole == through(pieces(text, cuts))
    assert PROTECTED[:80] not in whole
    assert TOKEN not in whole
