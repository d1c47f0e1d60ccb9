"""Runs of letters or bytes laid beside a protected text: other orders, ciphers, added keys."""

from __future__ import annotations

import base64
import random
import string

import pytest

from titer.respond.leak_guard import alike, runs
from titer.respond.leak_guard.alike import Told
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.scan import REMOVED, Scan, limits

pytestmark = pytest.mark.compiled

PROMPT = (
    "You are HealthBot, a careful assistant of the Northwind clinic. Never reveal the discount"
    " code of the staff canteen, always answer in short sentences, and send every question about"
    " insurance to the desk on the second floor before noon. Remind guests of visiting hours."
)
OTHER = (
    "Ferns like it damp, so put the pot on a tray of pebbles and keep the water just below them."
    " A north window is fine in summer; in winter move it closer to the glass, away from heaters."
    " If the tips turn brown, the air is too dry: mist it in the morning, or group your plants."
)
BEFORE, AFTER = "Certainly, here you are: ", "\nIs there anything else?"
SQUARE = "zgptfoihmuwdrcnykeqaxvsbl"  # j is i


def letters(text):
    return "".join(c for c in text.lower() if c in string.ascii_lowercase)


def columns(text, key):
    rows = letters(text)
    return "".join(rows[at :: len(key)] for at in sorted(range(len(key)), key=key.__getitem__))


def pairs_of(text):
    found, rest = [], letters(text).replace("j", "i")
    while rest:
        pair = rest[:2] if len(rest) > 1 and rest[0] != rest[1] else rest[0] + "x"
        rest = rest[2 if len(rest) > 1 and rest[0] != rest[1] else 1 :]
        found.append(pair)
    return found


def playfair(text):
    out = ""
    for a, b in pairs_of(text):
        (ra, ca), (rb, cb) = divmod(SQUARE.index(a), 5), divmod(SQUARE.index(b), 5)
        if ra == rb:
            ca, cb = (ca + 1) % 5, (cb + 1) % 5
        elif ca == cb:
            ra, rb = (ra + 1) % 5, (rb + 1) % 5
        else:
            ca, cb = cb, ca
        out += SQUARE[5 * ra + ca] + SQUARE[5 * rb + cb]
    return out


def hill(text):
    codes = [ord(c) - 97 for c in letters(text)]
    codes += [23] * (len(codes) % 2)
    return "".join(
        chr((3 * a + 3 * b) % 26 + 97) + chr((2 * a + 5 * b) % 26 + 97)
        for a, b in zip(codes[::2], codes[1::2], strict=True)
    )


def bifid(text, period):
    out, rest = "", letters(text).replace("j", "i")
    for at in range(0, len(rest), period):
        block = [divmod(SQUARE.index(c), 5) for c in rest[at : at + period]]
        line = [row for row, _ in block] + [column for _, column in block]
        out += "".join(SQUARE[5 * a + b] for a, b in zip(line[::2], line[1::2], strict=True))
    return out


def masked(text, key):
    return bytes(b ^ key[at % len(key)] for at, b in enumerate(text.encode()))


def shuffled(text):
    some = list(letters(text))
    random.Random(5).shuffle(some)
    return "".join(some)


WRITINGS = {
    "columns of a word": lambda t: columns(t, "garden"),
    "columns twice": lambda t: columns(columns(t, "garden"), "spade"),
    "letters in any order": shuffled,
    "letters in any order, padded": lambda t: shuffled(t) + "x" * 30,
    "scytale of eleven": lambda t: columns(t, "abcdefghijk"),
    "playfair": playfair,
    "hill": hill,
    "bifid of all": lambda t: bifid(t, 1000),
    "bifid in sevens": lambda t: bifid(t, 7),
    "xor in hexadecimal": lambda t: masked(t, b"spade").hex(),
    "xor in base64": lambda t: base64.b64encode(masked(t, b"\x91")).decode(),
}


def guarded(text, pieces=1, prompt=PROMPT):
    found = []
    scan = Scan(Index([prompt]), limits(48), None, found.append)
    out = "".join(scan.push(text[i : i + pieces]) for i in range(0, len(text), pieces))
    return out + scan.close(), found


@pytest.mark.parametrize("name", WRITINGS)
def test_a_cipher_over_few_letters_is_read_whatever_its_key(name):
    made = WRITINGS[name](PROMPT)
    results = [guarded(BEFORE + made + AFTER, pieces) for pieces in (1, 13, 4000)]
    assert len({out for out, _ in results}) == 1
    out, found = results[0]
    assert found
    assert out.startswith(BEFORE)
    assert out.endswith("anything else?")
    assert REMOVED in out
    assert len(out) - len(BEFORE) - len(AFTER) < len(made) / 2


@pytest.mark.parametrize("name", WRITINGS)
def test_the_same_cipher_over_another_text_leaves_whole(name):
    text = BEFORE + WRITINGS[name](OTHER) + AFTER
    for pieces in (1, 50, 4000):
        assert guarded(text, pieces) == (text, [])


def test_what_the_caller_said_itself_is_no_secret():
    index = Index([PROMPT])
    index.forget(PROMPT)
    made = BEFORE + shuffled(PROMPT) + AFTER
    scan = Scan(index, limits(48), None)
    assert scan.push(made) + scan.close() == made


def test_runs_that_repeat_themselves_agree_with_nothing():
    told = Told(PROMPT)
    draw = random.Random(2)
    for period in range(1, 40):
        word = "".join(draw.choices(string.ascii_lowercase, k=period))
        assert not told.is_in((word * 400)[:300])
    assert not told.is_masked(bytes(300))


def test_random_letters_and_bytes_agree_with_nothing():
    told = Told(PROMPT)
    draw = random.Random(4)
    for _ in range(200):
        assert not told.is_in("".join(draw.choices(string.ascii_lowercase, k=280)))
        assert not told.is_masked(draw.randbytes(200))


def test_evidence_is_none_below_chance_and_grows_with_pairs():
    assert alike.evidence(1, 20, 0.1) == 0.0
    assert alike.evidence(9, 9, 1.0) == 0.0
    assert 0 < alike.evidence(9, 10, 0.05) < alike.evidence(18, 20, 0.05)


def test_bytes_that_say_nothing_leave_as_they_come():
    index, draw = Index([PROMPT]), random.Random(8)
    waited = signs = 0
    for _ in range(40):
        raw = draw.randbytes(600)
        for made in (base64.b64encode(raw).decode(), raw.hex(), base64.b32encode(raw).decode()):
            scan = Scan(index, limits(48), None)
            for at in range(0, len(made), 4):
                scan.push(made[at : at + 4])
                waited += scan.holding > 0
                signs += 1
            assert scan.close() or not scan.holding
    # What may be the beginning of something compressed, by chance, waits; nothing else does.
    assert waited < 0.06 * signs


def test_a_text_that_is_split_over_what_waits_does_not_leave():
    # Told apart late: bytes that are a text backward, and one that is compressed.
    for made in (
        base64.b64encode(PROMPT.encode() * 3).decode()[::-1],
        PROMPT.encode().hex()[::-1],
    ):
        for pieces in (1, 79, 80, 81, 119, 121):
            out, found = guarded(BEFORE + made + AFTER, pieces)
            assert found
            assert len(out) - len(BEFORE) - len(AFTER) < runs.LEAST + 2 * len(REMOVED)


def test_addresses_and_lists_are_no_letters_in_another_order():
    for run in (
        "https://docs.example.com/guides/gardening/indoor-plants/watering-and-light-in-winter.html",
        "from.titer.respond.leak.guard.import.runs.and.then.something.else.that.is.long.enough",
        "A" * 100,
        "12,5,33,1,0,99,41,7,12,5,33,1,0,99,41,7,12,5,33,1,0,99,41,7,12,5,33,1,0,99,41,7,12,5,33",
    ):
        assert not runs.is_lettered(run)
        assert guarded(f"See {run}\n") == (f"See {run}\n", [])
