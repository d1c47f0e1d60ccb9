"""Who sends a found campaign's own requests is told between hunts; who shares a text is not."""

from __future__ import annotations

import msgspec
import pytest

from titer.core.nouns import Campaign, Exchange, Principal, Sketch
from titer.hunt.again import FEW, WHOLE, Again
from titer.hunt.table import TableBuilder

BANDS = 8


def exchange(who, frames, at=1):
    return Exchange(
        f"x-{who}-{at}", at, Principal(who), "chat", sketch=Sketch(tuple(frames), (), at)
    )


def template(number):
    """The frame tokens of one of the campaign's templates."""
    return tuple(range(1000 * number, 1000 * number + BANDS))


def other(number):
    return tuple(range(10_000_000 + BANDS * number, 10_000_000 + BANDS * (number + 1)))


def world(members=12, honest=FEW, extra=()):
    rows = [exchange(f"m{n}", template(t), n) for n in range(members) for t in (1, 2, 3)]
    rows += [exchange(f"h{n}", other(n), n) for n in range(honest)]
    builder = TableBuilder()
    builder.add([*rows, *extra])
    return builder.build()


def campaign(members=12, name="c-1", review=False):
    return Campaign(
        name, tuple(f"m{n}" for n in range(members)), ("text",), ("hours",), 10.0, "AML.T0024",
        1, 2, tokens_out=5000, review=review, note="harvests",
    )  # fmt: skip


@pytest.fixture
def again():
    made = Again()
    made.learn([campaign()], world())
    return made


def test_a_second_request_with_nothing_in_common_tells(again):
    again.see([exchange("new", template(1), 5)])
    assert again.told(6) == []
    again.see([exchange("new", template(1), 6)])  # the same template again is no second one
    assert again.told(6) == []
    again.see([exchange("new", template(3), 7)])
    (told,) = again.told(8)
    assert (told.id, told.members, told.bits, told.last_seen) == ("c-1+1", ("new",), 10.0, 8)
    assert "c-1" in told.note
    assert again.told(9) == []
    again.see([exchange("new", template(2), 9)])
    assert again.told(9) == []  # once is enough


def test_parts_of_requests_do_not_tell(again):
    for at, number in enumerate((1, 2, 3)):
        again.see(
            [exchange("user", template(number)[: WHOLE - 1] + other(at)[: BANDS - WHOLE + 1])]
        )
    assert again.told(9) == []


def test_members_and_others_are_not_told(again):
    again.see([exchange("m3", template(n)) for n in (1, 2)])
    again.see([exchange("h3", other(n)) for n in (1, 2)])
    assert again.told(9) == []


def test_who_has_a_grant_is_not_told(again):
    granted = Principal("house", org="o-1", grants=("distillation",))
    rows = [
        msgspec.structs.replace(exchange("house", template(n), n), principal=granted)
        for n in (1, 2, 3)
    ]
    again.see(rows)
    colleague = Principal("colleague", org="o-1")
    again.see([msgspec.structs.replace(row, principal=colleague) for row in rows])
    assert again.told(9) == []


def test_a_grant_in_the_hunts_memory_counts_as_well():
    granted = msgspec.structs.replace(
        exchange("old", other(10**6)),
        principal=Principal("old", org="o-1", grants=("distillation",)),
    )
    again = Again()
    again.learn([campaign()], world(extra=[granted]))
    colleague = Principal("colleague", org="o-1")
    again.see(
        [
            msgspec.structs.replace(exchange("x", template(n), n), principal=colleague)
            for n in (1, 2)
        ]
    )
    assert again.told(9) == []


def test_a_campaign_under_review_is_not_learnt():
    again = Again()
    again.learn([campaign(review=True)], world())
    again.see([exchange("new", template(n)) for n in (1, 2)])
    assert again.told(9) == []


def test_texts_that_others_have_sent_too_are_not_a_campaigns_own():
    public = [exchange(f"h{n}", template(t), n) for n in range(40) for t in (1, 2, 3)]
    again = Again()
    again.learn([campaign()], world(extra=public))
    again.see([exchange("new", template(n)) for n in (1, 2)])
    assert again.told(9) == []


def test_with_few_callers_outside_nothing_can_be_said():
    again = Again()
    again.learn([campaign()], world(honest=FEW - 1))
    again.see([exchange("new", template(n)) for n in (1, 2)])
    assert again.told(9) == []


def test_a_campaign_told_anew_keeps_its_texts_under_its_new_name(again):
    again.learn([campaign(name="c-1.2", members=13)], world(honest=0))
    again.see([exchange("new", template(n)) for n in (1, 2)])
    (told,) = again.told(9)
    assert told.id == "c-1.2+1"


def test_who_was_erased_begins_anew(again):
    again.see([exchange("new", template(1))])
    again.forget("new")
    again.see([exchange("new", template(2))])
    assert again.told(9) == []
