"""Who sends a found campaign's own requests is told between hunts; who shares a text is not."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from titer.core.nouns import Campaign, Exchange, Principal, Sketch
from titer.hunt.again import Again
from titer.hunt.own_texts import BITS, EACH, WHOLE
from titer.hunt.table import TableBuilder

BANDS = 8
#: Callers outside that are enough for eight bits when none of them, or one, sends the texts.
ENOUGH = 600
MEMBERS = 40
TEXTS = itertools.count(1)


def exchange(who, frames, at=1, exact=None):
    """A request; each is a text of its own, unless `exact` says so."""
    exact = next(TEXTS) if exact is None else exact
    return Exchange(
        f"x-{who}-{exact}", at, Principal(who), "chat", sketch=Sketch(tuple(frames), (), exact)
    )


def template(number):
    """The frame tokens of one of the campaign's templates."""
    return tuple(range(1000 * number, 1000 * number + BANDS))


def other(number):
    return tuple(range(10_000_000 + BANDS * number, 10_000_000 + BANDS * (number + 1)))


def world(members=MEMBERS, honest=ENOUGH, extra=()):
    rows = [exchange(f"m{n}", template(t)) for n in range(members) for t in (1, 2, 3)]
    rows += [exchange(f"h{n}", other(n)) for n in range(honest)]
    builder = TableBuilder()
    builder.add([*rows, *extra])
    return builder.build()


def campaign(members=MEMBERS, name="c-1", review=False, uncertain=()):
    return Campaign(
        name, tuple(f"m{n}" for n in range(members)), ("text",), ("hours",), 10.0, "AML.T0024",
        1, 2, tokens_out=5000, review=review, note="harvests", uncertain=uncertain,
    )  # fmt: skip


def learnt(extra=(), **given):
    made = Again()
    made.learn([campaign(**given)], world(extra=extra))
    return made


def told(again, *requests):
    again.see(list(requests))
    return [member for part in again.told(9) for member in part.members]


def test_one_request_tells():
    again = learnt()
    again.see([exchange("new", template(1))])
    (part,) = again.told(8)
    assert (part.id, part.members, part.last_seen) == ("c-1+1", ("new",), 8)
    assert BITS <= part.bits <= 10.0  # of having sent it, or of the campaign
    assert "c-1" in part.note
    assert again.told(9) == []
    assert told(again, exchange("new", template(2))) == []  # once is enough


def test_parts_of_requests_do_not_tell():
    again = learnt()
    for number in (1, 2, 3):
        part = template(number)[: WHOLE - 1] + other(number)[: BANDS - WHOLE + 1]
        assert told(again, exchange("user", part)) == []


def test_members_and_others_are_not_told():
    again = learnt()
    assert told(again, *(exchange("m3", template(n)) for n in (1, 2))) == []
    assert told(again, *(exchange("h3", other(n)) for n in (1, 2))) == []


def test_one_telling_request_among_many_others_does_not_tell():
    again = learnt()
    usual = [exchange("busy", other(n)) for n in range(EACH)]
    assert told(again, *usual, exchange("busy", template(1))) == []
    assert told(again, exchange("busy", template(2))) == ["busy"]


def test_what_was_sent_before_counts_as_well():
    again = learnt(extra=[exchange("old", other(n)) for n in range(EACH)])
    assert told(again, exchange("old", template(1))) == []


def test_who_has_a_grant_is_not_told():
    again = learnt()
    granted = Principal("house", org="o-1", grants=("distillation",))
    rows = [
        msgspec.structs.replace(exchange("house", template(n)), principal=granted) for n in (1, 2)
    ]
    assert told(again, *rows) == []
    colleague = Principal("colleague", org="o-1")
    assert told(again, *(msgspec.structs.replace(row, principal=colleague) for row in rows)) == []


def test_a_grant_in_the_hunts_memory_counts_and_its_texts_do_not():
    principal = Principal("old", org="o-1", grants=("distillation",))
    granted = [
        msgspec.structs.replace(exchange("old", template(n)), principal=principal)
        for n in (1, 2, 3)
    ]
    again = learnt(extra=granted)
    colleague = msgspec.structs.replace(
        exchange("x", template(1)), principal=Principal("colleague", org="o-1")
    )
    assert told(again, colleague) == []
    assert told(again, exchange("new", template(1))) == ["new"]


def test_a_campaign_under_review_is_not_learnt():
    assert told(learnt(review=True), exchange("new", template(1))) == []


def test_what_one_caller_outside_sends_is_nobodys_own():
    again = learnt(extra=[exchange("h1", template(1)), exchange("h1", template(1))])
    assert told(again, exchange("new", template(1))) == []
    assert told(again, exchange("another", template(2))) == ["another"]


def test_a_text_that_several_others_send_does_not_tell():
    public = [exchange(f"h{n}", template(1)) for n in range(5)]
    again = learnt(extra=public)
    assert told(again, exchange("new", template(1))) == []
    assert told(again, exchange("new", template(2))) == ["new"]  # the campaign's others do


def test_who_may_be_a_member_is_not_counted_among_the_others():
    doubtful = [exchange(f"h{n}", template(1)) for n in range(5)]
    again = learnt(extra=doubtful, uncertain=tuple(f"h{n}" for n in range(5)))
    assert told(again, exchange("new", template(1))) == ["new"]


def test_questions_that_members_copy_word_for_word_are_nobodys_own():
    asked = [exchange(f"m{n}", template(7), exact=5_000_000) for n in range(MEMBERS)]
    again = learnt(extra=asked)
    assert told(again, exchange("pupil", template(7), exact=5_000_000)) == []
    assert told(again, exchange("new", template(1))) == ["new"]


@pytest.mark.parametrize("honest", [0, 200])
def test_with_few_callers_outside_nothing_can_be_said(honest):
    again = Again()
    again.learn([campaign()], world(honest=honest))
    assert told(again, exchange("new", template(1))) == []


def test_a_campaign_told_anew_keeps_its_texts_under_its_new_name():
    again = learnt()
    again.learn([campaign(name="c-1.2", members=13)], world(honest=0))
    again.see([exchange("new", template(1))])
    assert [part.id for part in again.told(9)] == ["c-1.2+1"]


def test_texts_are_learnt_anew_with_every_hunt():
    again = learnt()
    public = [exchange(f"h{n}", template(t)) for n in range(5) for t in (1, 2, 3)]
    more = [exchange(f"m{n}", template(9)) for n in range(MEMBERS)]
    again.learn([campaign()], world(extra=[*public, *more]))
    assert told(again, exchange("user", template(1))) == []
    again.learn([campaign()], world(extra=more))
    assert told(again, exchange("new", template(9))) == ["new"]


def test_who_was_erased_begins_anew():
    again = learnt()
    assert told(again, exchange("new", template(1))) == ["new"]
    again.forget("new")
    assert told(again, exchange("new", template(2))) == ["new"]


def test_rows_without_frames_or_callers_do_no_harm():
    again = learnt(extra=[exchange("bare", ()), exchange("bare", ())])
    assert told(again, exchange("bare", ())) == []
    empty = Again()
    empty.learn([campaign()], TableBuilder().build())
    assert told(empty, exchange("new", template(1))) == []
