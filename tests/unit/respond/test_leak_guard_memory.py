"""Pieces of a text over several answers, and prompts that are indexed beside the event loop."""

from __future__ import annotations

import random
import threading
from concurrent.futures import Future

import msgspec
import numpy as np
import pytest

from titer.core.nouns import Standing
from titer.core.wire import Reply, Request
from titer.respond.leak_guard import memory, prompts
from titer.respond.leak_guard.guard import LeakGuard, end_user
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.memory import Memory
from titer.respond.leak_guard.prompts import Prompts
from titer.respond.leak_guard.scan import REMOVED, Scan, limits
from titer.respond.leak_guard.settings import LeakSettings
from titer.respond.leak_guard.work import MAX_KEPT, Guarded, Waiting

pytestmark = pytest.mark.compiled


def made_up(count, seed):
    """Words of syllables: letters drawn alone have too few vowels for the consonants' lane."""
    rng = random.Random(seed)
    words = [
        "".join(rng.choice("bcdfghklmnprstvw") + rng.choice("aeiou") for _ in range(size))
        for size in rng.choices((1, 2, 3, 4), k=400)
    ]
    return " ".join(rng.choice(words) for _ in range(count))


TEXT = made_up(120, 11)
KEY = b"k" * 32


def pieces_of(text, letters):
    """The text cut into pieces of so many letters; what is left over at its end is left out."""
    out, size = [""], 0
    for char in text:
        size += char.isalpha()
        if size > letters:
            out.append("")
            size = 1
        out[-1] += char
    return out[:-1]


def said(guard, text, subject="caller", body=None, campaign=""):
    standing = Standing(subject, campaign=campaign)
    if body is None:
        transform = guard.reply(1.0, standing)
    else:
        request = Request(dialect="openai.chat", endpoint="/", body=body, raw=b"{}", model="m")
        transform = guard.answer(request, 1.0, standing)
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    raw = msgspec.json.encode({"choices": [choice]})
    (unit,) = transform.feed(Reply(raw=raw, data=msgspec.json.decode(raw), final=True, text=text))
    return unit.data["choices"][0]["message"]["content"]


def guarded():
    return LeakGuard(LeakSettings(texts=(TEXT,)), KEY)


@pytest.mark.parametrize(("letters", "share"), [(26, 0.9), (36, 0.8), (47, 0.7)])
def test_pieces_over_several_answers_add_up(letters, share):
    guard = guarded()
    outs = [said(guard, f"Here is some of it: {p}") for p in pieces_of(TEXT, letters)]
    gone = [REMOVED in out for out in outs]
    assert not gone[0]
    assert gone[-1]
    assert all(gone[gone.index(True) :]), "once it shows it goes on"
    left = sum(sum(map(str.isalpha, out)) - 16 for out in outs)
    assert left < share * sum(map(str.isalpha, TEXT))


def test_another_caller_starts_anew_unless_they_act_together():
    parts = pieces_of(TEXT, 47)
    guard = guarded()
    outs = [said(guard, p, f"caller {n}") for n, p in enumerate(parts)]
    assert not any(REMOVED in out for out in outs)
    guard = guarded()
    outs = [said(guard, p, f"caller {n}", campaign="c1") for n, p in enumerate(parts)]
    assert REMOVED in outs[-1]


def test_a_greeting_said_a_thousand_times_stays():
    guard = guarded()
    greeting = pieces_of(TEXT, 47)[2]
    assert {said(guard, f"{greeting}!") for _ in range(1000)} == {f"{greeting}!"}


def test_a_system_prompt_is_remembered_by_its_end_user_alone():
    def body(user):
        asked = {"messages": [{"role": "system", "content": TEXT}]}
        return asked | ({"user": user} if user else {})

    parts = pieces_of(TEXT, 47)
    for users, caught in ((["u"] * 20, True), ([""] * 20, False), (list(map(str, range(20))), 0)):
        guard = LeakGuard(key=KEY)
        outs = [said(guard, p, body=body(u)) for p, u in zip(parts, users, strict=False)]
        assert (REMOVED in outs[-2]) == bool(caught)


def test_end_users_of_the_dialects():
    assert end_user({"user": "a"}) == "a"
    assert end_user({"safety_identifier": "b", "user": "a"}) == "b"
    assert end_user({"metadata": {"user_id": "c"}}) == "c"
    assert end_user({"metadata": "x", "user": 3}) == ""


def test_what_was_had_is_forgotten_in_time_and_in_numbers(monkeypatch):
    now = [0.0]
    kept = Memory(KEY, lambda: now[0])
    grams = np.arange(1, 200, dtype=np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15)
    kept.take("a", b"t", grams)
    had = kept.count("a", b"t")
    assert 180 <= had <= 199
    kept.take("a", b"t", grams)
    assert kept.count("a", b"t") == had
    now[0] = memory.WINDOW + 1
    assert kept.count("a", b"t") == had
    now[0] = 2 * memory.WINDOW + 2
    assert kept.count("a", b"t") == 0
    monkeypatch.setattr(memory, "MAX_CALLERS", 10)
    for n in range(50):
        kept.take(str(n), b"t", grams)
    assert len(kept) == 10


# prompts beside the event loop


def test_a_long_prompt_is_made_by_a_thread_and_its_answer_waits(monkeypatch):
    go = threading.Event()
    real = prompts._make

    def slow(told, made, asked):
        assert go.wait(10)
        return real(told, made, asked)

    monkeypatch.setattr(prompts, "_make", slow)
    long = TEXT + " " + made_up(2000, 3)
    index = Prompts(KEY, 8, 1 << 26).get(long, "")
    assert not index.done()
    found = []
    waiting = Waiting(
        Guarded(index, None, "", b""), lambda one: Scan(one.index, limits(48), None, found.append)
    )
    assert waiting.push("So be it: ") == ""
    assert waiting.push(TEXT[:100]) == ""
    go.set()
    out = waiting.push(TEXT[100:]) + waiting.close()
    assert found
    assert out.startswith("So be it: ")
    assert len(out) < 80


def test_what_waits_for_an_index_is_bounded():
    index: Future[Index] = Future()
    waiting = Waiting(Guarded(index, None, "", b""), lambda one: Scan(one.index, limits(48)))
    assert waiting.push("x" * MAX_KEPT) == ""
    index.set_result(Index([TEXT]))
    assert waiting.push("y") == "x" * MAX_KEPT + "y"


def test_the_callers_own_words_are_taken_out_of_a_long_prompt_too():
    long = TEXT + " " + made_up(2000, 3)
    asked = f"{TEXT} Translate that."
    made = Prompts(KEY, 8, 1 << 26)
    index = made.get(long, asked).result(10)
    assert Scan(index, limits(48)).push(TEXT + ".") == TEXT + "."
    assert made.get(long, "") is made.get(long, "")
    assert REMOVED in Scan(made.get(long, "").result(10), limits(48)).push(TEXT + ".")
