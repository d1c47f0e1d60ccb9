"""Every dialect keeps the same promises, on the same conversation written in its own words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from titer.core.errors import Refused
from titer.core.nouns import Usage
from titer.core.wire import Problem, ProblemKind
from titer.gateway.dialects import BUILTIN, EXTRAS, find, methods, named
from titer.gateway.sse import Splitter, payload

VECTORS = Path(__file__).parent / "vectors" / "dialects"
TALKERS = ("openai.chat", "openai.completions", "openai.responses", "anthropic.messages")
STREAMS = {name: (VECTORS / f"{name}.sse").read_bytes() for name in TALKERS}
BODIES = {name: (VECTORS / f"{name}.json").read_bytes().rstrip() for name in TALKERS}
ALL = (*BUILTIN, EXTRAS)
SAID = "Grüß Gott 😀"
THOUGHT = "Let me think"
LOGPROBS = ("openai.chat", "openai.completions", "openai.responses")

REQUESTS = {
    "openai.chat": {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ]},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c", "type": "function",
                 "function": {"name": "look", "arguments": '{"at":"it"}'}},
            ]},
            {"role": "tool", "tool_call_id": "c", "content": "a cat"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": "Looks."}}],
        "temperature": 0.5, "logit_bias": {"15": -100, "7": 3}, "stop": ["END"],
    },
    "openai.completions": {
        "model": "m", "prompt": ["Be brief.", "What is this?"], "suffix": "a cat",
        "temperature": 0.5, "logit_bias": {"15": -100, "7": 3},
    },
    "openai.embeddings": {"model": "m", "input": ["Be brief.", "What is this?"]},
    "openai.responses": {
        "model": "m", "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
            ]},
            {"type": "function_call", "call_id": "c", "name": "look",
             "arguments": '{"at":"it"}'},
            {"type": "function_call_output", "call_id": "c", "output": "a cat"},
        ],
        "tools": [{"type": "function", "name": "look", "description": "Looks."}],
        "temperature": 0.5,
    },
    "anthropic.messages": {
        "model": "m", "max_tokens": 10,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {
                    "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            ]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "t", "name": "look", "input": {"at": "it"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t",
                 "content": [{"type": "text", "text": "a cat"}]}]},
        ],
        "tools": [{"name": "look", "description": "Looks.", "input_schema": {}}],
        "temperature": 0.5,
    },
}  # fmt: skip
REQUESTS["anthropic.count_tokens"] = REQUESTS["anthropic.messages"]
TEXTS = {
    "openai.completions": ["Be brief.", "What is this?", "a cat"],
    "openai.embeddings": ["Be brief.", "What is this?"],
}
FULL = [
    ("system", "Be brief."), ("user", "What is this?"), ("assistant", ...), ("tool", "a cat"),
    ("tools", "Looks."),
]  # fmt: skip


def parsed(name, body=None, **more):
    dialect = named(name)
    raw = json.dumps((REQUESTS[name] if body is None else body) | more).encode()
    return dialect, dialect.parse(dialect.routes[0].path, raw)


def split(stream):
    return [(raw, *payload(raw)) for raw in Splitter(1 << 20).feed(stream)]


def tapped(name, stream):
    tap = named(name).tap()
    for _, _, data in split(stream):
        if data is not None:
            tap.event(data)
    return tap


def through(name, stream, edit=lambda unit: None):
    """The stream through unit and render, each unit given to `edit`."""
    codec = named(name).codec()
    out = []
    for raw, event, data in split(stream):
        unit = codec.unit(raw, event, data)
        edit(unit)
        out.append(codec.render(unit) if unit.edited else unit.raw)
    return b"".join(out)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_read_and_forwarded_as_it_came(name):
    dialect, request = parsed(name)
    assert (request.dialect, request.endpoint) == (name, dialect.routes[0].path)
    assert request.model == "m"
    assert not request.stream
    assert request.encode() is request.raw
    assert find("POST", request.endpoint)[0] is dialect


@pytest.mark.parametrize("name", REQUESTS)
def test_texts_are_everything_the_caller_wrote_and_no_binary(name):
    dialect, request = parsed(name)
    texts = list(dialect.texts(request.body))
    if name in TEXTS:
        assert [text for _, text in texts] == TEXTS[name]
    else:
        assert len(texts) == len(FULL)
        for (role, text), (expected, wanted) in zip(texts, FULL, strict=True):
            assert role == expected
            assert wanted is ... or text == wanted
        assert "it" in texts[2][1]
    assert not any("iVBOR" in text for _, text in texts)


@pytest.mark.parametrize("name", REQUESTS)
def test_facts_hold_no_text(name):
    dialect, request = parsed(name, user="Jane Doe", stop="secret words")
    facts = dialect.facts(request)
    stored = json.dumps(facts.params) + "".join(facts.roles)
    for text in ("brief", "this?", "cat", "Jane", "secret", "iVBOR"):
        assert text not in stored
    if name in TEXTS:
        assert facts.turns == 2
    else:
        assert (facts.turns, facts.tools, facts.images) == (1, 1, 1)
        assert facts.roles[0] == "system"
        assert facts.params["temperature"] == 0.5
    if "logit_bias" in REQUESTS[name]:
        assert set(facts.biased) == {15, 7}
        assert re.fullmatch(r"<object [0-9a-f]{8}>", facts.params["logit_bias"])


@pytest.mark.parametrize("name", TALKERS)
def test_unknown_roles_and_names_are_not_stored(name):
    dialect, request = parsed(name, **{"tell me everything you know": 1, "x" * 100: "y z"})
    facts = dialect.facts(request)
    assert facts.params["<name>"] in (1, "<string>")
    assert not any("everything" in p or "xxx" in p for p in facts.params)


@pytest.mark.parametrize("role", [["user"], {}, None, 5])
def test_a_role_that_is_no_word_is_another(role):
    dialect, request = parsed("openai.responses", input=[{"role": role, "content": "x"}])
    assert "other" in dialect.facts(request).roles


@pytest.mark.parametrize(
    ("name", "param", "value"),
    [
        ("openai.chat", "messages", "hello"),
        ("openai.chat", "messages", []),
        ("openai.chat", "messages", [1]),
        ("openai.chat", "messages", [{"content": "x"}]),
        ("openai.chat", "messages", [{"role": "user", "content": {"text": "x"}}]),
        ("openai.chat", "stream", "yes"),
        ("openai.chat", "stream", 1),
        ("openai.chat", "n", "2"),
        ("openai.chat", "n", 0),
        ("openai.chat", "n", True),
        ("openai.chat", "max_tokens", 1.5),
        ("openai.chat", "max_tokens", -1),
        ("openai.chat", "logprobs", 1),
        ("openai.chat", "top_logprobs", -1),
        ("openai.chat", "logit_bias", []),
        ("openai.chat", "model", 7),
        ("openai.chat", "model", "m" * 300),
        ("openai.chat", "temperature", "hot"),
        ("openai.completions", "prompt", None),
        ("openai.completions", "prompt", ["a", 1]),
        ("openai.completions", "prompt", [["a"]]),
        ("openai.completions", "echo", 1),
        ("openai.completions", "logprobs", True),
        ("openai.embeddings", "input", {}),
        ("openai.responses", "input", [1]),
        ("openai.responses", "max_output_tokens", "many"),
        ("anthropic.messages", "messages", None),
        ("anthropic.messages", "system", 5),
        ("anthropic.messages", "system", ["x"]),
        ("anthropic.messages", "max_tokens", "many"),
        ("anthropic.count_tokens", "messages", {}),
    ],
)
def test_a_field_of_the_wrong_type_is_named(name, param, value):
    with pytest.raises(Refused) as caught:
        parsed(name, **{param: value})
    problem = caught.value.problem
    assert (problem.kind, problem.param) == ("invalid_request", param)
    body = json.loads(named(name).error(problem).body)
    assert param in body["error"]["message"]


@pytest.mark.parametrize("kind", get_args(ProblemKind))
@pytest.mark.parametrize("dialect", ALL, ids=lambda d: d.name)
def test_every_problem_has_a_status_and_a_shape(dialect, kind):
    problem = Problem(
        kind=kind, message="Do this next.", code="slug", param="n", retry_after=1.2,
        headers=(("x-more", "1"),),
    )  # fmt: skip
    rendered = dialect.error(problem)
    body = json.loads(rendered.body)
    headers = dict(rendered.headers)
    assert 400 <= rendered.status <= 529
    assert body["error"]["message"] == "Do this next."
    assert headers["content-type"] == "application/json"
    assert headers["retry-after"] == "2"
    assert headers["x-more"] == "1"
    if dialect.family == "openai":
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert body["error"]["code"] == "slug"
    else:
        assert body["type"] == "error"
        assert body["error"]["type"].endswith(("_error", "_large"))
    events = Splitter(1 << 16).feed(dialect.stream_error(problem))
    name, data = payload(events[0])
    assert json.loads(data)["error"]["message"] == "Do this next."
    assert name == "" if dialect.name in ("openai.chat", "openai.completions") else True


@pytest.mark.parametrize("name", TALKERS)
@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_the_tap_hears_the_same_however_the_stream_is_cut(name, size):
    stream = STREAMS[name]
    tap = named(name).tap()
    splitter = Splitter(1 << 20)
    for start in range(0, len(stream), size):
        for raw in splitter.feed(stream[start : start + size]):
            data = payload(raw)[1]
            if data is not None:
                assert not tap.done
                tap.event(data)
    assert tap.done
    assert tap.text() == SAID
    facts = tap.facts()
    assert (facts.finish, facts.complete, facts.refused) == ("stop", True, False)
    assert facts.logprobs is (name in LOGPROBS)
    assert tap.usage() == Usage(tokens_in=9, tokens_out=5)


@pytest.mark.parametrize("name", TALKERS)
def test_the_tap_hears_the_same_in_a_whole_body(name):
    tap = named(name).tap()
    tap.body(BODIES[name])
    streamed = tapped(name, STREAMS[name])
    assert tap.done
    assert tap.text() == streamed.text() == SAID
    assert tap.facts() == streamed.facts()
    assert tap.usage() == streamed.usage()


@pytest.mark.parametrize("name", TALKERS)
def test_a_stream_without_its_end_is_not_complete(name):
    events = split(STREAMS[name])
    assert not tapped(name, b"".join(raw for raw, _, _ in events[:-1])).facts().complete


@pytest.mark.parametrize("name", TALKERS)
def test_an_error_in_the_stream_is_not_a_complete_reply(name):
    problem = Problem(kind="upstream", message="The model server died.")
    tap = tapped(name, named(name).stream_error(problem))
    assert not tap.facts().complete
    assert tap.text() == ""


@pytest.mark.parametrize("crlf", [False, True])
@pytest.mark.parametrize("name", TALKERS)
def test_unedited_units_leave_as_they_came(name, crlf):
    stream = STREAMS[name].replace(b"\n", b"\r\n") if crlf else STREAMS[name]
    assert through(name, stream) == stream

    def marks(unit):
        unit.edited = True

    assert through(name, stream, marks) == stream


@pytest.mark.parametrize("name", TALKERS)
def test_units_say_once_what_is_said(name):
    codec = named(name).codec()
    units = [codec.unit(*event) for event in split(STREAMS[name])]
    assert "".join(u.text for u in units) == SAID
    assert "".join(u.reasoning for u in units) == ("" if name.endswith("ions") else THOUGHT)
    assert [u.final for u in units] == [False] * (len(units) - 1) + [True]
    body = named(name).codec().unit(BODIES[name], "", BODIES[name])
    assert (body.text, body.final) == (SAID, True)


@pytest.mark.parametrize("crlf", [False, True])
@pytest.mark.parametrize("name", TALKERS)
def test_edited_text_replaces_the_old_everywhere(name, crlf):
    stream = STREAMS[name].replace(b"\n", b"\r\n") if crlf else STREAMS[name]

    def shouts(unit):
        if unit.text or unit.reasoning:
            unit.text = unit.text.upper()
            unit.reasoning = unit.reasoning.upper()
            unit.edited = True

    out = through(name, stream, shouts)
    assert tapped(name, out).text() == SAID.upper()
    for gone in ("Grüß", "Gott", "me think"):
        assert gone.encode() not in out
    before, after = split(stream), split(out)
    assert [e for _, e, _ in before] == [e for _, e, _ in after]
    ending = b"\r\n" if crlf else b"\n"
    assert all(raw.endswith(ending * 2) for raw, _, _ in after)


@pytest.mark.parametrize("name", TALKERS)
def test_edited_bodies_replace_the_old_everywhere(name):
    codec = named(name).codec()
    unit = codec.unit(BODIES[name], "", BODIES[name])
    unit.text, unit.reasoning, unit.edited = "No.", "", True
    out = codec.render(unit)
    tap = named(name).tap()
    tap.body(out)
    assert tap.text() == "No."
    assert b"Gott" not in out
    assert b"me think" not in out
    assert not tap.facts().logprobs


@pytest.mark.parametrize("name", TALKERS)
def test_dropped_units_do_not_come_back_in_an_echo(name):
    codec = named(name).codec()
    out = b""
    for raw, event, data in split(STREAMS[name]):
        unit = codec.unit(raw, event, data)
        if not unit.text and not unit.reasoning:
            out += codec.render(unit)
    assert "Grüß".encode() not in out
    assert b"Gott" not in out
    assert THOUGHT.encode() not in out


@pytest.mark.parametrize("name", TALKERS)
def test_edits_of_the_data_alone_are_kept(name):
    def renames(unit):
        if unit.data is not None and unit.text:
            unit.data["marked"] = True
            unit.edited = True

    out = through(name, STREAMS[name], renames)
    assert out.count(b'"marked":true') == 2
    assert tapped(name, out).text() == SAID


GARBAGE = [
    b"", b" ", b"{", b"null", b"[]", b"1", b'"x"', b"\xff\xfe", b"[DONE", b'{"choices":1}',
    b'{"choices":[1]}', b'{"choices":[{"delta":7}]}', b'{"choices":[{"delta":{"content":{}}}]}',
    b'{"type":7}', b'{"type":"content_block_delta","delta":[]}', b'{"output":[1,{"content":[2]}]}',
    b'{"type":"response.output_text.delta","delta":{}}', b"[" * 5000, b'{"a":1e999}',
    b'{"content":[1]}', b'{"usage":{"prompt_tokens":"x"}}', b'{"response":{"output":[[]]}}',
    b'{"type":"response.completed","response":{"output":[{"content":[3,{"text":1}]}]}}',
    b'{"type":"response.output_text.done","output_index":"x","text":4}',
]  # fmt: skip


@pytest.mark.parametrize("dialect", ALL, ids=lambda d: d.name)
def test_garbage_never_raises_and_passes_as_it_came(dialect):
    for data in GARBAGE:
        tap = dialect.tap()
        tap.event(data)
        tap.body(data)
        assert isinstance(tap.text(), str)
        tap.facts()
        tap.usage()
        raw = b"data: " + data + b"\n\n"
        codec = dialect.codec()
        unit = codec.unit(raw, "", data)
        assert codec.render(unit) == raw
        body = codec.unit(data, "", data)
        assert codec.render(body) == data
    tap = dialect.tap()
    tap.event(b"\xff")
    tap.event(b"{")
    assert tap.garbage == 2


def test_only_known_routes_are_found():
    assert find("POST", "/v1/chat/completions")[0].name == "openai.chat"
    assert find("GET", "/v1/models/lab")[0].name == "openai.models"
    assert find("GET", "/v1/models/lab")[1].exchange is False
    for method, path in (
        ("GET", "/v1/chat/completions"), ("POST", "/v1/models"), ("GET", "/v1/models/"),
        ("GET", "/v1/models/a/b"), ("POST", "/v1/messages/"), ("POST", "/tokenize"),
        ("POST", "/v1/files"), ("POST", "//v1/messages"), ("POST", ""), ("POST", "/"),
        ("POST", "/v1/load_lora_adapter"),
    ):  # fmt: skip
        assert find(method, path) is None
    assert find("POST", "/tokenize", {"/tokenize"})[0] is EXTRAS
    assert find("POST", "/v1/load_lora_adapter", {"/v1/load_lora_adapter"}) is None
    assert methods("/v1/models") == ("GET",)
    assert methods("/nowhere") == ()


def test_models_take_no_body():
    models = named("openai.models")
    assert models.parse("/v1/models", b"").encode() == b""
    with pytest.raises(Refused):
        models.parse("/v1/models", b"{}")
