"""Reasoning: formats, tags and talk about tags, probabilities, multi-turn use, learning."""

from __future__ import annotations

import json

import msgspec
import pytest

from titer.cli import main
from titer.core.errors import ConfigError
from titer.core.nouns import Standing
from titer.core.wire import Reply, Request
from titer.gateway.dialects import named
from titer.respond.reasoning import Reasoning, held, structure
from titer.respond.reasoning.formats import (
    UNION,
    Format,
    FormatFile,
    Formats,
    Tag,
    pair,
    read_formats,
)
from titer.respond.reasoning.patterns import MAX_TAIL, Machine
from titer.respond.reasoning.tags import TagChannel

STANDING = Standing("s")


def cut(text, *, whole=False, form=None, keep=False):
    took = []
    channel = TagChannel(
        form or Format(UNION), whole=whole, took=took.append,
        replace=structure if keep else None,
    )  # fmt: skip
    return channel.push(text) + channel.close(), "".join(took)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>a</think>\n\nb", "b"),
        ("<think>a</think>b<think>c</think>d", "bd"),
        ("<think>a <think>b</think> c</think>d", "d"),
        ("<think>a", ""),
        ("x <thi", "x <thi"),
        ("< Think mode=1 >a</ THINK >b", "b"),
        ("[THINK]a[/THINK]b", "b"),
        ("analysisWe think.assistantfinalYes.", "Yes."),
        ("analysis of the data", "analysis of the data"),
        ("<|channel|>analysis<|message|>a<|end|><|channel|>final<|message|>b", "b"),
        ("Use `<think>` here", "Use `<think>` here"),
        ('Say "<think>" now', 'Say "<think>" now'),
        ("\u201c<think>\u201d is a tag", "\u201c<think>\u201d is a tag"),
        ("```\n<think>\n```\nb<think>c</think>", "```\n<think>\n```\nb"),
        ("a ```\n<think>b</think>\n``` c<think>d</think>", "a ```\n<think>b</think>\n``` c"),
        ("a ```\n\n<think>b</think>c", "a ```\n\nc"),
        ("~~~~\n```\n<think>\n~~~~\nb", "~~~~\n```\n<think>\n~~~~\nb"),
        ('"<think>a</think>" b', '"" b'),
        ('<think>he wrote "</think>" and</think>b', "b"),
        ("a < b, c > d, [x], <b>bold</b>", "a < b, c > d, [x], <b>bold</b>"),
    ],
)  # fmt: skip
def test_tags_and_talk_about_tags(text, left):
    assert cut(text)[0] == left


def test_an_end_without_a_beginning():
    assert cut("a</think>b", whole=True)[0] == "b"
    assert cut("a</think>b", form=Format(UNION, inside=True))[0] == "b"
    assert cut("<think>a</think>b", form=Format(UNION, inside=True))[0] == "b"


def test_a_stream_that_ends_what_it_did_not_begin_teaches():
    mitigation = Reasoning()
    request = Request(dialect="openai.chat", endpoint="/", body={}, raw=b"{}", model="own-model")

    def stream(subject):
        transform = mitigation.answer(request, 1.0, Standing(subject))
        out = ""
        for text in ("hid", "den</think>", "answer"):
            data = {"choices": [{"index": 0, "delta": {"content": text}}]}
            raw = b"data: " + msgspec.json.encode(data) + b"\n\n"
            for unit in transform.feed(Reply(raw=raw, data=data, text=text)):
                out += unit.text
        return out

    for subject in ("a", "b", "c", "a"):
        assert stream(subject) == "answer"


def test_structure_counts_paragraphs_and_tokens():
    assert structure("one\n\ntwo\n\n\nthree" + " word" * 100) == "[3 steps, 129 tokens]"
    assert structure("x") == "[1 step, 1 token]"
    assert cut("<think>a b</think>c", keep=True)[0] == "<think>[1 step, 1 token]</think>\nc"


def test_every_model_has_a_format():
    formats = Formats(FormatFile(models={"my-*": Format((pair("mull"),), inside=True)}))
    assert formats.of("anything").tags == UNION
    assert formats.of("deepseek-R1-32b").inside
    own = formats.of("My-Model")
    assert own.inside
    assert own.tags[0] == pair("mull")
    assert set(UNION) < set(own.tags)


def test_token_probabilities_leave_with_their_text_alone():
    entries = [{"token": t, "logprob": -1.0, "top_logprobs": []} for t in ("hid", "den", "blue")]
    choice = {
        "index": 0, "finish_reason": "stop", "logprobs": {"content": entries},
        "message": {"content": "blue", "reasoning": "hidden"}, "token_ids": [1, 2, 3],
    }  # fmt: skip
    raw = msgspec.json.encode({"choices": [choice]})
    unit = Reply(raw=raw, data=msgspec.json.decode(raw), final=True)
    (unit,) = Reasoning().reply(1.0, STANDING).feed(unit)
    left = unit.data["choices"][0]
    assert [e["token"] for e in left["logprobs"]["content"]] == ["blue"]
    assert left["token_ids"] is None


def test_members_that_nobody_documents():
    body = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {
            "content": "hi", "provider_specific_fields": {"thinking_blocks": [
                {"type": "thinking", "thinking": "secret", "signature": "c2ln"}]},
            "x_thoughts": ["secret", {"deep": "secret"}]}}],
        "usage": {"completion_tokens_details": {"reasoning_tokens": 7}},
        "reasoning": {"effort": "high", "summary": None},
    }  # fmt: skip
    raw = msgspec.json.encode(body)
    (unit,) = (
        Reasoning()
        .reply(1.0, STANDING)
        .feed(Reply(raw=raw, data=msgspec.json.decode(raw), final=True))
    )
    left = msgspec.json.encode(unit.data)
    assert b"secret" not in left
    assert b"c2ln" in left
    assert b'"effort":"high"' in left
    assert b'"reasoning_tokens":7' in left


def test_sglang_streams_that_grow():
    transform = Reasoning().reply(1.0, STANDING)
    out = []
    for text in ("<th", "<think>hid", "<think>hid</think>", "<think>hid</think>blue"):
        data = {"text": text, "meta_info": {"completion_tokens": 3, "output_token_logprobs": [
            [-1.0, 5, text]]}}  # fmt: skip
        raw = b"data: " + msgspec.json.encode(data) + b"\n\n"
        out += [u.data for u in transform.feed(Reply(raw=raw, data=data, text=text))]
    assert [d["text"] for d in out] == ["", "", "", "blue"]
    assert out[-1]["meta_info"]["output_token_logprobs"] is None


def test_what_we_wrote_goes_back_as_nothing():
    body = {"model": "m", "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "reasoning_content": "[2 steps, 9 tokens]", "content": [
            {"type": "thinking", "thinking": "[2 steps, 9 tokens]", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "[1 step]"}]},
    ]}  # fmt: skip
    request = Request(dialect="anthropic.messages", endpoint="/v1/messages", body=body,
                      raw=msgspec.json.encode(body))  # fmt: skip
    turn = Reasoning().request(request, 0.5, STANDING).body["messages"][1]
    assert turn["reasoning_content"] == ""
    assert turn["content"][0] == {"type": "thinking", "thinking": "", "signature": "c2ln"}
    assert turn["content"][1:] == body["messages"][1]["content"][1:]
    assert body["messages"][1]["content"][0]["thinking"], "the request is not changed in place"


# learning


def test_a_format_is_learnt_from_a_log_and_kept(tmp_path, capsys):
    log, out = tmp_path / "log.jsonl", tmp_path / "formats.json"
    rows = [
        ("own", "<mull>a</mull>b"), ("own", "<mull>c</mull>d"), ("silent", "a</think>b"),
        ("plain", "hello"),
    ]  # fmt: skip
    log.write_text("".join(
        json.dumps({"request": {"model": m}, "reply": {"text": t, "reasoning": "x"}}) + "\n"
        for m, t in rows) + "no json\n[]\n")  # fmt: skip
    assert main(["check", "--from", str(log), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"]["silent"]["inside"]
    formats = Formats(read_formats(out))
    assert cut("x<mull>y</mull>z", form=formats.of("own"))[0] == "xz"
    assert formats.of("silent").inside
    assert not formats.of("plain").inside


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "learn-format"), (b'{"models":{"m":{"tags":[{"open":"<","close":[]}]}}}', "2 to"),
        (b'{"other":1}', "other"),
    ],
)  # fmt: skip
def test_a_bad_format_file_is_named(tmp_path, raw, said):
    path = tmp_path / "formats.json"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=said):
        read_formats(path)


def test_unknown_tags_are_values():
    assert Tag("<a>", ("</a>",)) == pair("a")


# summaries


def units_of(*deltas):
    for delta in deltas:
        data = {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        raw = b"data: " + msgspec.json.encode(data) + b"\n\n"
        text, reasoning = delta.get("content") or "", delta.get("reasoning_content") or ""
        yield Reply(raw=raw, data=data, text=text, reasoning=reasoning)


THOUGHT = "First the boat is weighed, then the oars are counted, and so the crew must be seven."


def summed(deltas, answer):
    """What leaves, and what was asked."""
    mitigation = Reasoning(summaries=True)
    transform = mitigation.reply(0.5, STANDING)
    out, asked = [], []
    for unit in units_of(*deltas):
        out += transform.feed(unit)
        while transform.wants:
            asked.append(transform.wants)
            out += transform.told(answer)
    out += transform.flush()
    return msgspec.json.encode([u.data for u in out]).decode(), asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("It counts what is aboard.", "[1 step, 21 tokens] It counts what is aboard."),
        (None, "[1 step, 21 tokens]"),
        ("", "[1 step, 21 tokens]"),
        ("It says: " + THOUGHT, "[1 step, 21 tokens]"),
    ],
)
@pytest.mark.parametrize("tagged", [True, False])
def test_a_summary_stands_for_reasoning_and_never_repeats_it(answer, said, tagged):
    if tagged:
        deltas = [{"content": f"<think>{THOUGHT}</th"}, {"content": "ink>Seven."}]
    else:
        deltas = [{"reasoning_content": THOUGHT}, {"content": "Seven."}]
    out, asked = summed(deltas, answer)
    assert asked == [THOUGHT]
    assert said in out
    assert "Seven." in out
    assert THOUGHT[:40] not in out
    assert "\uf8f0" not in out
    assert ("aboard" in out) == (said.endswith("aboard."))


def test_a_broken_off_reply_gets_structure_and_summaries_are_bounded():
    transform = Reasoning(summaries=True).reply(0.5, STANDING)
    (unit,) = units_of({"content": f"<think>{THOUGHT}</think>Seven."})
    assert transform.feed(unit) == ()
    assert transform.wants
    (left,) = transform.flush()
    assert "[1 step, 21 tokens]" in left.text
    many = [{"content": f"<think>thought {n} of many</think>said "} for n in range(9)]
    assert len(summed(many, "Short.")[1]) == 4


def test_without_a_summariser_there_is_structure():
    transform = Reasoning().reply(0.5, STANDING)
    (unit,) = units_of({"content": f"<think>{THOUGHT}</think>Seven."})
    (left,) = transform.feed(unit)
    assert "[1 step, 21 tokens]" in left.text


@pytest.mark.parametrize("run", [" ", "\n", "`", "~"])
def test_a_run_without_end_is_not_kept_back(run):
    def through(parts):
        channel = TagChannel(Format(UNION), whole=False, took=[].append)
        return "".join(map(channel.push, parts)) + channel.close()

    for head in ("", "a"):
        text = f"{head}{run * 1000}<think>hidden</think>rest"
        channel = TagChannel(Format(UNION), whole=False, took=[].append)
        out = "".join(map(channel.push, head + run * 1000))
        assert len(out) >= 1000 - MAX_TAIL
        assert through([text]) == through(list(text))


def test_a_piece_of_many_lines_is_searched_for_half_tags_once(monkeypatch):
    looks = []
    real = Machine.partial
    monkeypatch.setattr(Machine, "partial", lambda *a: looks.append(1) or real(*a))
    channel = TagChannel(Format(UNION), whole=False, took=[].append)
    text = "a" + "\n<" * 500
    assert channel.push(text) + channel.close() == text
    assert len(looks) < 5


def streamed(mitigation, *deltas, model, subject="s", finish="stop", **body):
    """What a client reads of a chat stream: (content, reasoning)."""
    request = Request(
        dialect="openai.chat", endpoint="/", body=body, raw=b"{}", model=model, stream=True
    )
    transform = mitigation.answer(request, 1.0, Standing(subject))
    codec = named("openai.chat").codec()
    events = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    content = reasoning = ""
    for event in [*map(msgspec.json.encode, events), b"[DONE]"]:
        for unit in transform.feed(codec.unit(b"data: " + event + b"\n\n", "", event)):
            for choice in (unit.data or {}).get("choices", ()):
                content += choice["delta"].get("content") or ""
                reasoning += choice["delta"].get("reasoning_content") or ""
    return content, reasoning


def words(text):
    return [{"content": word + " "} for word in text.split()]


@pytest.mark.parametrize("model", ["deepseek-reasoner", "qwq-32b", "other"])
def test_a_server_that_keeps_reasoning_apart_has_its_answers_served(model):
    first = {"role": "assistant", "content": ""}
    deltas = [first, {"reasoning_content": "hidden step"}, *words("The answer is four.")]
    mitigation = Reasoning()
    assert streamed(mitigation, *deltas, model=model) == ("The answer is four. ", "")
    # From then on its streams need no look at fields, also where a caller turned them off.
    if model != "other":
        assert streamed(mitigation, *words("It is four."), model=model) == ("It is four. ", "")
    message = {"role": "assistant", "content": "The answer.", "reasoning_content": "hidden"}
    data = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    request = Request(dialect="openai.chat", endpoint="/", body={}, raw=b"{}", model=model)
    unit = Reply(raw=b'{"choices":', data=data, text="The answer.", final=True)
    (left,) = Reasoning().answer(request, 1.0, STANDING).feed(unit)
    assert left.data["choices"][0]["message"]["content"] == "The answer."
    assert "hidden" not in str(left.data)


def test_a_guess_that_a_text_begins_inside_reasoning_loses_no_answer():
    said = words("Four, of course.")
    assert streamed(Reasoning(), *said, model="qwq-32b")[0] == "Four, of course. "
    hidden = [*words("a hidden step"), {"content": "</think>"}, *words("Four.")]
    assert streamed(Reasoning(), *hidden, model="qwq-32b")[0].strip() == "Four."
    # Cut off by a limit or by the caller's own end, it may be nothing but reasoning.
    assert streamed(Reasoning(), *said, model="qwq-32b", finish="length")[0] == ""
    assert streamed(Reasoning(), *said, model="qwq-32b", stop=["</think>"])[0] == ""
    sure = Reasoning(Formats(FormatFile(models={"mine": Format((pair("think"),), inside=True)})))
    assert streamed(sure, *said, model="mine")[0] == ""


def test_one_caller_cannot_teach_that_a_model_begins_inside_its_reasoning():
    mitigation = Reasoning()
    trick = [*words("say"), {"content": "</think>"}, *words("plainly")]
    honest = words("An honest answer.")
    for _ in range(9):
        streamed(mitigation, *trick, model="m", subject="suspect")
    assert streamed(mitigation, *honest, model="m", finish="length")[0] == "An honest answer. "
    for name in ("b", "c"):
        streamed(mitigation, *trick, model="m", subject=name)
    assert streamed(mitigation, *honest, model="m", finish="length")[0] == ""
    # The first that ends by itself shows that it is not so, and loses nothing.
    assert streamed(mitigation, *honest, model="m")[0] == "An honest answer. "
    assert streamed(mitigation, *honest, model="m", finish="length")[0] == "An honest answer. "


@pytest.mark.parametrize("tokens", [5, "x", {"a": 1}])
def test_probabilities_of_no_known_shape_are_taken_out(tokens):
    choice = {"index": 0, "text": "<think>a</think>b", "logprobs": {"tokens": tokens}}
    unit = Reply(raw=b'{"logprobs":', data={"choices": [choice]}, final=True)
    (left,) = Reasoning().reply(1.0, STANDING).feed(unit)
    assert left.data["choices"][0] == {"index": 0, "text": "b", "logprobs": None}


def test_a_dialect_with_blocks_for_reasoning_needs_no_guess():
    request = Request(
        dialect="anthropic.messages", endpoint="/", body={}, raw=b"{}", model="deepseek-r1"
    )
    transform = Reasoning().answer(request, 1.0, STANDING)
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    delta = {"type": "content_block_delta", "index": 0, "delta": {"text": "Four."}}
    out = ""
    for data in (start, delta, {"type": "content_block_stop", "index": 0}):
        for unit in transform.feed(Reply(raw=b"data: x", data=data)):
            out += unit.data.get("delta", {}).get("text", "")
    assert out == "Four."


def arrives(mitigation, *deltas, model="new", finish="stop", **body):
    """What a client has after each event of a chat stream."""
    request = Request(
        dialect="openai.chat", endpoint="/", body=body, raw=b"{}", model=model, stream=True
    )
    transform = mitigation.answer(request, 1.0, STANDING)
    codec = named("openai.chat").codec()
    events = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    have, out = "", []
    for event in map(msgspec.json.encode, events):
        for unit in transform.feed(codec.unit(b"data: " + event + b"\n\n", "", event)):
            for choice in (unit.data or {}).get("choices", ()):
                have += choice["delta"].get("content") or ""
        out.append(have)
    return out


TELLING = [
    "</think>", "[/THINK]", "</reasoning>", "\u25c1/think\u25b7", "<|END_THINKING|>",
    "<|end_of_thought|>",
]  # fmt: skip


@pytest.mark.parametrize("closing", TELLING)
@pytest.mark.parametrize("size", [1, 3, 400])
def test_the_first_stream_of_an_unknown_model_shows_no_reasoning(closing, size):
    text = f"first a hidden step, then `<think>` is a tag, so four.{closing}The answer is four."
    deltas = [{"content": text[at : at + size]} for at in range(0, len(text), size)]
    have = arrives(Reasoning(), *deltas)
    assert have[-1] == "The answer is four."
    assert all("The answer is four.".startswith(one) for one in have)
    if size == 1:
        assert have[-3] == "The answer is four", "what comes after the tag flows"


def test_a_model_whose_streams_are_answers_flows_from_the_fourth_on():
    mitigation = Reasoning()
    said = words("It is four, of course, my friend.")
    for _ in range(held.KNOWN):
        have = arrives(mitigation, *said)
        assert have[-2] == ""
        assert have[-1] == "It is four, of course, my friend. "
    assert arrives(mitigation, *said)[0] == "It "
    # What a limit or the caller itself has cut off teaches nothing, and is not lost.
    other = Reasoning()
    for _ in range(5):
        assert arrives(other, *said, finish="length")[-1].startswith("It is four")
        assert arrives(other, *said, stop=["x"])[-1].startswith("It is four")
    assert arrives(other, *said)[0] == ""


def test_a_text_that_says_where_its_reasoning_is_is_not_kept():
    said = [{"content": "<think>"}, *words("a hidden step"), {"content": "</think>"}]
    have = arrives(Reasoning(), *said, *words("It is four."))
    assert have[5:8] == ["It ", "It is ", "It is four. "]
    field = [{"reasoning_content": "hidden"}, *words("It is four.")]
    assert arrives(Reasoning(), *field)[1] == "It "


def test_what_is_kept_of_an_unknown_model_is_bounded(monkeypatch):
    monkeypatch.setattr(held, "MAX_KEPT", 1000)
    have = arrives(Reasoning(), *[{"content": "word " * 50}] * 8)
    assert [len(one) for one in have[:5]] == [0, 0, 0, 0, 1250]
    sure = Reasoning(Formats(FormatFile(models={"new": Format((pair("think"),))})))
    assert arrives(sure, *words("It is four."))[0] == "It ", "the operator said what it is"
