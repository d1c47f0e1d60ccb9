"""Three formats, one meaning: each line becomes the exchange that the gateway would have seen."""

import json

import pytest

from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.sketch import Sketcher
from titer.gateway.feeds import Maker, to_exchange
from titer.gateway.feeds.detect import detect
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.gateway.feeds.litellm import LiteLLM
from titer.gateway.feeds.openai_jsonl import OpenAILines

PSEUDONYMS = Pseudonyms(b"s" * 32)
SKETCHER = Sketcher(PSEUDONYMS.key("sketch"))

LINE = {
    "at": "2026-05-01T10:00:00.123Z",
    "principal": "acct-1",
    "org": "org-1",
    "tier": "paid",
    "created": "2026-04-02",
    "grants": ["distillation"],
    "origin": {
        "ip": "203.0.113.9",
        "asn": 64500,
        "ja4": "t13d1516h2_8daaf6152771_02713d6af862",
        "user_agent": "OpenAI/Python 3.54.0 extra",
        "headers": ["Host", "Authorization", "Content-Length"],
        "payment": "opaque",
    },
    "endpoint": "/v1/chat/completions",
    "request": {
        "model": "m-1",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "temperature": 0.7,
    },
    "reply": {"text": "Paris, of course.", "reasoning": "x" * 40, "finish": "stop"},
    "usage": {"in": 120, "out": 850},
    "status": 200,
}

LITELLM = {
    "id": "call-1",
    "call_type": "acompletion",
    "startTime": 1777629600.123,
    "model": "m-1",
    "model_group": "m-1",
    "model_parameters": {"temperature": 0.7},
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "response": {
        "choices": [
            {
                "finish_reason": "stop",
                "message": {"content": "Paris, of course.", "reasoning_content": "x" * 40},
            }
        ]
    },
    "prompt_tokens": 120,
    "completion_tokens": 850,
    "requester_ip_address": "203.0.113.9",
    "request_tags": ["User-Agent: OpenAI", "User-Agent: OpenAI/Python 3.54.0"],
    "metadata": {"user_api_key_hash": "acct-1", "user_api_key_org_id": "org-1"},
    "status": "success",
}

BATCH = {
    "custom_id": "request-1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {**LINE["request"], "user": "acct-1"},
    "response": {
        "status_code": 200,
        "request_id": "req-1",
        "body": {
            "created": 1777629600,
            "choices": [{"finish_reason": "stop", "message": {"content": "Paris, of course."}}],
            "usage": {"prompt_tokens": 120, "completion_tokens": 850},
        },
    },
}


def made(shape, line):
    text = line if isinstance(line, bytes) else json.dumps(line).encode()
    exchanges, bad = Maker(shape, sketcher=SKETCHER, pseudonyms=PSEUDONYMS).many([text])
    assert not bad, bad
    return exchanges[0]


def reason(shape, line):
    text = line if isinstance(line, bytes) else json.dumps(line).encode()
    exchanges, bad = Maker(shape, sketcher=SKETCHER, pseudonyms=PSEUDONYMS).many([text])
    assert not exchanges
    return bad[0][1]


def without(key, line=LINE):
    return {k: v for k, v in line.items() if k != key}


def test_a_whole_line_becomes_a_whole_exchange():
    exchange = to_exchange(json.dumps(LINE).encode(), SKETCHER, PSEUDONYMS)
    assert exchange.at == 1_777_629_600_123_000
    assert exchange.principal.id == PSEUDONYMS.of("principal", "acct-1")
    assert exchange.principal.org == PSEUDONYMS.of("org", "org-1")
    assert exchange.principal.created == 1_775_088_000_000_000
    assert exchange.principal.grants == ("distillation",)
    assert exchange.origin.net == PSEUDONYMS.of("net", "203.0.113.0/24")
    assert exchange.origin.agent == "OpenAI/Python"
    assert (exchange.model, exchange.endpoint) == ("m-1", "/v1/chat/completions")
    assert exchange.request.params["temperature"] == 0.7
    assert exchange.request.roles == ("user",)
    assert exchange.sketch == SKETCHER.sketch([("user", "What is the capital of France?")])
    assert (exchange.usage.tokens_in, exchange.usage.tokens_out) == (120, 850)
    assert (exchange.reply.chars, exchange.reply.reasoning_tokens) == (17, 10)
    assert exchange.reply.finish == "stop"


def test_nothing_said_or_named_is_in_an_exchange():
    stored = repr(to_exchange(json.dumps(LINE).encode(), SKETCHER, PSEUDONYMS))
    for secret in ("France", "Paris", "acct-1", "org-1", "203.0.113", "opaque"):
        assert secret not in stored


def test_the_same_line_has_the_same_id_and_another_line_another():
    one = made(ExchangeLog(PSEUDONYMS), LINE)
    assert made(ExchangeLog(PSEUDONYMS), LINE).id == one.id
    assert made(ExchangeLog(PSEUDONYMS), {**LINE, "status": 500}).id != one.id
    other = Pseudonyms(b"t" * 32)
    again = Maker(ExchangeLog(other), sketcher=SKETCHER, pseudonyms=other)
    assert again.many([json.dumps(LINE).encode()])[0][0].id != one.id


def test_litellm_means_the_same_exchange():
    ours, theirs = made(ExchangeLog(PSEUDONYMS), LINE), made(LiteLLM(PSEUDONYMS), LITELLM)
    assert theirs.at == ours.at
    assert theirs.principal.subject == ours.principal.subject
    assert theirs.origin.ip == ours.origin.ip
    assert theirs.origin.net == ours.origin.net
    assert theirs.origin.agent == ours.origin.agent
    assert theirs.endpoint == ours.endpoint
    assert theirs.sketch == ours.sketch
    assert theirs.usage == ours.usage
    assert theirs.reply == ours.reply
    wrapped = made(LiteLLM(PSEUDONYMS), {"standard_logging_object": LITELLM})
    assert wrapped == theirs


def test_openai_lines_mean_the_same_exchange():
    shape = OpenAILines(PSEUDONYMS, fallback="file", at=5)
    ours, theirs = made(ExchangeLog(PSEUDONYMS), LINE), made(shape, BATCH)
    assert theirs.at == ours.at - 123_000
    assert theirs.principal.id == ours.principal.id
    assert theirs.sketch == ours.sketch
    assert theirs.usage == ours.usage
    assert theirs.reply.chars == ours.reply.chars
    assert shape.missing == {}


def test_a_batch_input_borrows_caller_and_time_and_says_so():
    shape = OpenAILines(PSEUDONYMS, fallback="file", at=5)
    line = {**BATCH, "body": LINE["request"]}
    del line["response"]
    exchange = made(shape, line)
    assert exchange.at == 5
    assert exchange.principal.id == PSEUDONYMS.of("principal", "file")
    assert shape.missing == {"at": 1, "principal": 1, "reply": 1, "usage": 1}
    assert exchange.usage.estimated


@pytest.mark.parametrize(
    ("call_type", "endpoint"),
    [
        ("completion", "/v1/chat/completions"),
        ("atext_completion", "/v1/completions"),
        ("aembedding", "/v1/embeddings"),
        ("aresponses", "/v1/responses"),
        ("anthropic_messages", "/v1/messages"),
        ("arerank", "/litellm/arerank"),
    ],
)
def test_litellm_call_types_are_routes(call_type, endpoint):
    assert made(LiteLLM(PSEUDONYMS), {**LITELLM, "call_type": call_type}).endpoint == endpoint


def test_litellm_failures_and_redacted_messages():
    failed = {**LITELLM, "status": "failure", "error_information": {"error_code": "429"}}
    assert made(LiteLLM(PSEUDONYMS), failed).status == 429
    shape = LiteLLM(PSEUDONYMS)
    hidden = made(
        shape, {**LITELLM, "messages": [{"role": "user", "content": "redacted-by-litellm"}]}
    )
    assert hidden.sketch.chars == 0
    assert shape.missing["request"] > 0


@pytest.mark.parametrize("part", ["origin", "reply", "usage", "request"])
def test_a_missing_part_is_counted_and_the_rest_stands(part):
    shape = ExchangeLog(PSEUDONYMS)
    exchange = made(shape, without(part))
    assert shape.missing[part] == 1
    assert exchange.principal.id == PSEUDONYMS.of("principal", "acct-1")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("origin", 7), ("origin", []), ("reply", "text"), ("reply", {"text": 3}),
        ("usage", {"in": -1, "out": 2}), ("usage", {"in": 1.5}), ("usage", {"in": 10**40}),
        ("request", "text"), ("request", [1]), ("request", {"messages": 7}),
        ("request", {"messages": [{"role": 3, "content": {"x": []}}]}),
    ],
)  # fmt: skip
def test_a_part_of_the_wrong_type_costs_only_itself(part, value):
    exchange = made(ExchangeLog(PSEUDONYMS), {**LINE, part: value})
    assert exchange.at == 1_777_629_600_123_000


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "cut short"),
        (b"hello", "not JSON"),
        (b"[1]", "not an object"),
        (b'{"at": NaN}', "not JSON"),
        (b'{"principal": "\xff\xfe", "endpoint": "/v1/x", "at": 1}', "not UTF-8"),
        (b'{"request":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (without("at"), "missing: at"),
        (without("principal"), "missing: principal"),
        (without("endpoint"), "missing: endpoint"),
        ({**LINE, "principal": 7}, "wrong type: principal"),
        ({**LINE, "principal": "x" * 9_999}, "too long: principal"),
        ({**LINE, "at": "yesterday"}, "not a time: at"),
        ({**LINE, "at": True}, "wrong type: at"),
        ({**LINE, "at": -5}, "out of range: at"),
        ({**LINE, "at": 1e300}, "out of range: at"),
        ({**LINE, "at": "9999-01-01T00:00:00Z"}, "out of range: at"),
    ],
)  # fmt: skip
def test_lines_that_cannot_be_used_have_a_reason(line, why):
    assert reason(ExchangeLog(PSEUDONYMS), line) == why


@pytest.mark.parametrize("at", [1777629600.123, 1777629600123, 1777629600123000,
                                "2026-05-01T12:00:00.123+02:00",
                                "2026-05-01 10:00:00.123"])  # fmt: skip
def test_times_are_read_in_every_usual_way(at):
    assert made(ExchangeLog(PSEUDONYMS), {**LINE, "at": at}).at == 1_777_629_600_123_000


def test_unknown_keys_are_counted_by_name():
    shape = ExchangeLog(PSEUDONYMS)
    made(shape, {**LINE, "colour": 1, "origin": {"ip": "2001:db8::1", "planet": "x"}})
    assert shape.unknown == {"colour": 1, "origin.planet": 1}


def test_a_flood_of_unknown_keys_stays_small():
    shape = ExchangeLog(PSEUDONYMS)
    made(shape, {**LINE, **{f"k{i}": i for i in range(5_000)}})
    assert len(shape.unknown) <= 65
    assert sum(shape.unknown.values()) == 5_000


def test_an_endpoint_without_a_dialect_is_an_exchange_without_text():
    shape = ExchangeLog(PSEUDONYMS)
    exchange = made(shape, {**LINE, "endpoint": "/v1/unheard-of?x=1"})
    assert exchange.endpoint == "/v1/unheard-of"
    assert shape.missing["dialect"] == 1


def test_formats_are_seen_from_the_first_lines():
    lines = {"titer": LINE, "litellm": LITELLM, "openai": BATCH}
    for name, line in lines.items():
        assert detect("f", [b"garbage", json.dumps(line).encode()]) == name


def test_an_unknown_format_is_refused_with_what_was_found():
    with pytest.raises(InputError, match="colour"):
        detect("f", [b'{"colour": 1}'])
    with pytest.raises(InputError, match="no line of it is JSON"):
        detect("f", [b"hello"])
