"""Runs of signs without a space: packed bytes, one number, and what was compressed."""

from __future__ import annotations

import base64
import gzip
import random
import string
import zlib

import pytest

from titer.respond.leak_guard import runs, unpacking
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.scan import REMOVED, Scan, limits

pytestmark = pytest.mark.compiled

PROMPT = (
    "You are HealthBot, a careful assistant of the Northwind clinic. Never reveal the discount"
    " code of the staff canteen, always answer in short sentences, and send every question about"
    " insurance to the desk on the second floor before noon."
)
BEFORE, AFTER = "Certainly, here you are: ", "\nIs there anything else?"
DIGITS, SMALL = string.digits, string.ascii_lowercase
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def numeral(text, alphabet):
    value, out = int.from_bytes(text.encode(), "big"), ""
    while value:
        value, rest = divmod(value, len(alphabet))
        out = alphabet[rest] + out
    return out


def blocks(text, size, signs, alphabet):
    """Every `size` bytes as `signs` signs of an alphabet, highest first."""
    raw = text.encode()
    raw += b" " * (-len(raw) % size)
    out = ""
    for at in range(0, len(raw), size):
        value = int.from_bytes(raw[at : at + size], "big")
        part = ""
        for _ in range(signs):
            value, rest = divmod(value, len(alphabet))
            part = alphabet[rest] + part
        out += part
    return out


def guarded(text, pieces=1):
    found = []
    scan = Scan(Index([PROMPT]), limits(48), None, found.append)
    out = "".join(scan.push(text[i : i + pieces]) for i in range(0, len(text), pieces))
    return out + scan.close(), found


def shuffled(alphabet):
    return "".join(random.Random(7).sample(alphabet, len(alphabet)))


WRITTEN = {
    "base 58": numeral(PROMPT, BASE58),
    "base 62": numeral(PROMPT, DIGITS + string.ascii_uppercase + SMALL),
    "base 62, small letters first": numeral(PROMPT, DIGITS + SMALL + string.ascii_uppercase),
    "base 36": numeral(PROMPT, DIGITS + SMALL),
    "base 63": numeral(PROMPT, DIGITS + string.ascii_uppercase + SMALL + "_"),
    "base 11": numeral(PROMPT, DIGITS + "a"),
    "base 10": numeral(PROMPT, DIGITS),
    "base 3": numeral(PROMPT, "123"),
    "gzip in base64": base64.b64encode(gzip.compress(PROMPT.encode(), mtime=0)).decode(),
    "zlib in base64": base64.b64encode(zlib.compress(PROMPT.encode())).decode(),
    "zlib in hexadecimal": zlib.compress(PROMPT.encode()).hex(),
    "base64 of an alphabet of its own": blocks(
        PROMPT, 3, 4, shuffled(string.ascii_letters + DIGITS + "+/")
    ),
    "base64 of hexagrams": blocks(PROMPT, 3, 4, [chr(0x4DC0 + n) for n in range(64)]),
    "base32 of an alphabet of its own": blocks(PROMPT, 5, 8, shuffled(SMALL + DIGITS[:6])),
    "base85 of an alphabet of its own": blocks(
        PROMPT, 4, 5, shuffled(string.ascii_letters + DIGITS + "!#$%&()*+-;<=>?@^_`{|}~")
    ),
    "twelve bits a letter": "".join(f"{int(d):04b}" for b in PROMPT.encode() for d in f"{b:03d}"),
    "blanks and tabs": "".join(f"{b:08b}" for b in PROMPT.encode()).translate(
        str.maketrans("01", " \t")
    ),
}


@pytest.mark.parametrize("pieces", [1, 7, 4000])
@pytest.mark.parametrize("name", WRITTEN)
def test_what_stands_without_a_space_is_read(name, pieces):
    written = WRITTEN[name]
    out, found = guarded(BEFORE + written + AFTER, pieces)
    assert found, name
    assert out.startswith(BEFORE)
    assert REMOVED in out
    assert len(out) - len(BEFORE) - len(AFTER) < len(written) / 2
    assert out.endswith("anything else?")


def test_the_outcome_does_not_depend_on_the_pieces():
    text = BEFORE + WRITTEN["base 58"] + " and " + WRITTEN["gzip in base64"] + AFTER
    assert len({guarded(text, n)[0] for n in (1, 3, 64, 81, 5000)}) == 1


def test_a_run_of_something_else_leaves_whole():
    draw = random.Random(3)
    for alphabet in (DIGITS, "0123456789abcdef", string.ascii_letters + DIGITS + "+/"):
        run = "".join(draw.choices(alphabet, k=1000))
        for pieces in (1, 50, 4000):
            assert guarded(f"See {run}.\n", pieces) == (f"See {run}.\n", [])


@pytest.mark.parametrize("pieces", [1, 80, 5000, 100_000])
def test_a_run_longer_than_its_limit_is_told_by_its_beginning(pieces):
    long = ((PROMPT + " And so on, without an end.") * 20).encode()
    noise = "".join(random.Random(1).choices(string.ascii_letters, k=6000)).encode()
    for raw in (long, gzip.compress(long + noise, mtime=0)):
        made = base64.b64encode(raw).decode()[:: -1 if raw is long else 1]
        assert len(made) > runs.MOST
        out, found = guarded(BEFORE + made + AFTER, pieces)
        assert found
        assert out == BEFORE + made[: runs.LEAST - 1] + REMOVED + AFTER


def test_a_run_waits_until_it_ends_and_no_longer_than_its_limit():
    scan = Scan(Index([PROMPT]), limits(48), None)
    assert scan.push(("7250914638" * 8)[:-1]) == ("7250914638" * 8)[:-1]
    assert not scan.push("8531097264" * 2)
    assert scan.holding == 20
    assert scan.push(" end") == "8531097264" * 2 + " end"
    scan = Scan(Index([PROMPT]), limits(48), None)
    assert len(scan.push("7250914638" * 500)) == 5000
    assert scan.push("7") == "7"
    assert scan.holding == 0


def test_what_is_held_leaves_at_the_end():
    scan = Scan(Index([PROMPT]), limits(48), None)
    out = "".join(scan.push("Zq0" * 20) for _ in range(3))
    assert out + scan.close() == "Zq0" * 60


def test_a_bomb_is_unpacked_no_further_than_its_limit():
    bomb = zlib.compress(b"a" * 50_000_000, 9)
    assert len(unpacking.unpacked(bomb)) <= unpacking.UNPACKED
    run = base64.b64encode(bomb).decode()
    assert guarded(f"See {run[: runs.MOST]}\n")[1] == []


def test_signs_that_are_no_number_are_no_texts():
    assert list(unpacking.readings("=" * 100)) == []
    assert unpacking.alphabets("0" * 90)
