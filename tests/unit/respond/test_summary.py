"""Summaries in the place of reasoning: what a model writes does not upset where they go."""

from __future__ import annotations

import pytest

from titer.core.wire import Reply
from titer.respond.reasoning.formats import UNION, Format
from titer.respond.reasoning.summary import MAX_READ, MAX_SUMMARY, Summed


def whole(content):
    message = {"role": "assistant", "content": content}
    data = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return Reply(raw=b'{"choices":', data=data, text=content, final=True)


def served(content, summary):
    transform = Summed(Format(UNION))
    assert [*transform.feed(whole(content))] == []
    assert transform.wants
    (unit,) = transform.told(summary)
    return unit.data["choices"][0]["message"]["content"]


@pytest.mark.parametrize("mark", ["\uf8f07\uf8f1", "\uf8f0" + "9" * 5000 + "\uf8f1", "\uf8f0"])
def test_a_mark_that_the_model_wrote_stays_as_it_is(mark):
    said = served(f"<think>one step</think>The answer. {mark}", "It takes a step.")
    assert said.endswith(f"The answer. {mark}")
    assert "It takes a step." in said
    assert "one step" not in said


def test_a_summary_is_compared_as_far_as_a_summariser_read():
    hidden = "".join(f"{n} " for n in range(MAX_READ))
    assert hidden[100:200] not in served(f"<think>{hidden}</think>Yes.", f"So: {hidden[100:200]}")
    long = "It adds numbers. " * MAX_SUMMARY
    assert len(served(f"<think>{hidden}</think>Yes.", long)) < MAX_SUMMARY + 100
