from __future__ import annotations

import math

import msgspec
import pytest

from titer.core.errors import Refused
from titer.core.nouns import RequestFacts
from titer.core.wire import Request
from titer.detect.bias_ledger import BiasLedger
from titer.detect.parameter_policy import STRIP, ParameterPolicy, PolicyConfig
from titer.detect.parameter_tables import CHECKED, CLOSED, GRANTS, PLAIN

CLEAN = {
    "openai.chat": {"model": "m", "messages": [], "temperature": 0.2, "max_tokens": 9, "top_k": 4},
    "openai.completions": {"model": "m", "prompt": "p", "min_p": 0.1, "suffix": "s"},
    "openai.embeddings": {"model": "m", "input": "x", "dimensions": 8},
    "openai.responses": {"model": "m", "input": "x", "store": False, "max_output_tokens": 4},
    "anthropic.messages": {"model": "m", "messages": [], "max_tokens": 4, "thinking": {}},
    "anthropic.count_tokens": {"model": "m", "messages": []},
    "openai.models": {},
    "engine.extras": {"text": "x", "sampling_params": {"max_new_tokens": 4}},
}
BASE = {
    "openai.chat": {"model": "m", "messages": []},
    "openai.responses": {"input": "x"},
    "openai.completions": {"prompt": "p"},
}


def ask(dialect="openai.chat", *, grants=(), config=None, ledger=None, subject="org", **extra):
    body = {**BASE.get(dialect, {}), **extra}
    raw = b'{"as":"sent"}'
    request = Request(dialect=dialect, endpoint="/v1/x", body=body, raw=raw)
    policy = ParameterPolicy(config)
    return policy.apply(request, RequestFacts(), grants, ledger or BiasLedger(), subject)


def refused(*args, **kwargs):
    with pytest.raises(Refused) as caught:
        ask(*args, **kwargs)
    return caught.value.problem


@pytest.mark.parametrize("dialect", CLEAN)
def test_clean_requests_pass_to_the_byte(dialect):
    applied = ask(dialect, **CLEAN[dialect])
    assert (applied.denied, applied.decimals) == ((), None)
    assert not applied.request.edited
    assert applied.request.encode() == b'{"as":"sent"}'


def test_usual_nested_values_pass_to_the_byte():
    applied = ask(
        stream_options={"include_usage": True}, n=1, response_format={"type": "json_schema"},
        chat_template_kwargs={"enable_thinking": False}, reasoning={"effort": "low"},
    )  # fmt: skip
    assert applied.denied == () and not applied.request.edited


def test_every_dialect_has_its_tables():
    assert set(PLAIN) == set(CHECKED)
    assert set(CLOSED.values()) == set(GRANTS) - {"logprobs"}
    for dialect in PLAIN:
        assert not PLAIN[dialect] & CHECKED[dialect]


def test_an_unknown_dialect_is_refused():
    assert refused("other.dialect", model="m").kind == "invalid_request"


@pytest.mark.parametrize("name", sorted(CLOSED))
def test_closed_parameters_need_their_grant(name):
    held = any(name in PLAIN[d] | CHECKED[d] for d in ("openai.chat",))
    if held:
        pytest.skip("this dialect has the name on its own list")
    value = {"a": 1}
    applied = ask(**{name: value})
    assert name not in applied.request.body
    assert applied.denied == (name,)
    assert name in ask(grants=(CLOSED[name],), **{name: value}).request.body
    problem = refused(config=PolicyConfig(extras="refuse"), **{name: value})
    assert problem.param == name
    assert CLOSED[name] in problem.message


@pytest.mark.parametrize("value", [None, False])
def test_a_closed_parameter_that_asks_for_nothing_is_dropped_in_silence(value):
    applied = ask(config=PolicyConfig(extras="refuse"), prompt_logprobs=value)
    assert applied.denied == () and "prompt_logprobs" not in applied.request.body


@pytest.mark.parametrize(
    "name",
    ["Logprobs", "LOGPROBS", " logprobs", "logprobs ", "logprobs\u200b", "logpr\u043ebs",
     "logit-bias", "extra_body", "prompt_logprobs\x00",
     "ⅼogprobs", "log\u00adprobs", "", "a b", "x" * 5000],
)  # fmt: skip
def test_another_spelling_is_an_unknown_name_and_never_repeated(name):
    applied = ask(**{name: 5})
    assert applied.denied == ("unknown",)
    assert name not in applied.request.body
    problem = refused(config=PolicyConfig(unknown="refuse"), **{name: 5})
    assert problem.param is None
    assert name.strip() == "" or name not in problem.message


def test_names_of_one_dialect_are_unknown_in_another():
    applied = ask("anthropic.messages", model="m", logit_bias={"5": 1}, logprobs=True)
    assert set(applied.request.body) == {"model"}
    assert ask("openai.embeddings", input="x", logprobs=1).denied == ("unknown",)


# -- logprobs -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["true", 1, 0, 1.0, [], {}, "5"])
def test_chat_logprobs_must_be_a_boolean(value):
    assert refused(logprobs=value).param == "logprobs"


@pytest.mark.parametrize("value", ["5", True, 5.0, 1e9, -1, [], math.nan, math.inf, {"a": 1}])
def test_top_logprobs_must_be_a_count(value):
    assert refused(logprobs=True, top_logprobs=value).param == "top_logprobs"
    assert refused("openai.completions", logprobs=value).param == "logprobs"
    assert refused("openai.responses", top_logprobs=value).param == "top_logprobs"


def test_alternatives_are_capped_and_rounded():
    applied = ask(logprobs=True, top_logprobs=20)
    assert applied.request.body["top_logprobs"] == 5
    assert (applied.denied, applied.decimals) == (("top_logprobs",), 2)
    assert ask("openai.completions", logprobs=10**30).request.body["logprobs"] == 5
    within = ask(logprobs=True, top_logprobs=3)
    assert (within.denied, within.decimals, within.request.edited) == ((), 2, False)


def test_the_grant_gives_more_alternatives_and_decimals_but_never_both():
    applied = ask(grants=("logprobs",), logprobs=True, top_logprobs=50)
    assert (applied.request.body["top_logprobs"], applied.decimals) == (20, 4)
    both = ask(grants=("logprobs",), logprobs=True, logit_bias={"5": 3})
    assert "logprobs" not in both.request.body


def test_no_logprobs_at_all_when_the_cap_is_nought():
    applied = ask(config=PolicyConfig(top_logprobs=0), logprobs=True, top_logprobs=2)
    assert set(applied.request.body) == {"model", "messages"}
    assert applied.decimals == STRIP


def test_logprobs_false_asks_for_nothing():
    applied = ask(logprobs=False, logit_bias={"5": 3})
    assert (applied.denied, applied.decimals) == ((), None)


@pytest.mark.parametrize(
    ("dialect", "wish", "named"),
    [
        ("openai.chat", {"logprobs": True, "top_logprobs": 2}, {"logprobs", "top_logprobs"}),
        ("openai.chat", {"top_logprobs": 2}, {"top_logprobs"}),
        ("openai.completions", {"logprobs": 0}, {"logprobs"}),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_logprobs_and_bias_are_never_served_together(dialect, wish, named, first):
    bias = {"logit_bias": {"7": 4}}
    body = {**bias, **wish} if first else {**wish, **bias}
    applied = ask(dialect, **body)
    assert not named & set(applied.request.body)
    assert applied.request.body["logit_bias"] == {"7": 4}
    assert set(applied.denied) == named
    assert applied.decimals == STRIP


def test_granted_prompt_scores_are_rounded_and_go_before_a_bias():
    alone = ask(grants=("prompt_logprobs",), prompt_logprobs=5)
    assert alone.decimals == 2 and "prompt_logprobs" in alone.request.body
    both = ask(grants=("prompt_logprobs",), prompt_logprobs=5, logit_bias={"1": 1})
    assert "prompt_logprobs" not in both.request.body and both.decimals == STRIP


def test_an_attempt_at_leaks_has_its_reply_stripped():
    assert ask(prompt_logprobs=5).decimals == STRIP
    assert ask(vllm_xargs={}).decimals is None


def test_responses_include():
    wish = "message.output_text.logprobs"
    applied = ask("openai.responses", include=[wish, "reasoning.encrypted_content"])
    assert (applied.decimals, applied.request.edited) == (2, False)
    gone = ask("openai.responses", include=["x.y", wish], config=PolicyConfig(top_logprobs=0))
    assert gone.request.body["include"] == []
    assert gone.denied == ("include",) and gone.decimals == STRIP
    assert refused("openai.responses", include=wish).param == "include"
    assert refused("openai.responses", include=[5]).param == "include"
    assert refused("openai.responses", include=["x"], config=PolicyConfig(unknown="refuse"))


def test_echo_with_logprobs():
    assert ask("openai.completions", echo=True).request.body["echo"] is True
    applied = ask("openai.completions", echo=True, logprobs=1)
    assert "echo" not in applied.request.body and applied.denied == ("echo",)
    granted = ask("openai.completions", echo=True, logprobs=1, grants=("prompt_logprobs",))
    assert granted.request.body["echo"] is True
    assert refused("openai.completions", echo="yes").param == "echo"
    assert ask(echo=True).denied == ("echo",)  # vLLM's chat: echo alone scores the prompt


# -- logit_bias -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [[], "x", 5, True, [["5", 1]], {"05": 1}, {" 5": 1}, {"+5": 1}, {"-1": 1}, {"5.0": 1},
     {"\u0665": 1}, {"५": 1}, {"": 1}, {"1e3": 1}, {"12345678": 1}, {"cat": 1}, {"5": "1"},
     {"5": True}, {"5": None}, {"5": math.nan}, {"5": math.inf}, {"5": -math.inf}, {"5": []}],
)  # fmt: skip
def test_a_bias_of_the_wrong_shape_is_refused(value):
    problem = refused(logit_bias=value)
    assert (problem.kind, problem.param) == ("invalid_request", "logit_bias")


@pytest.mark.parametrize(
    ("sent", "served"),
    [(100, 20), (-100, -20), (0.9, 0), (-3.7, -3), (2, 2), (20, 20), (10**400, 20), (1e308, 20)],
)
def test_a_bias_is_clamped_and_stepped(sent, served):
    applied = ask(logit_bias={"5": sent})
    assert applied.request.body["logit_bias"] == {"5": served}
    assert applied.denied == (() if sent == served else ("logit_bias",))
    free = ask(logit_bias={"5": 0.9}, config=PolicyConfig(bias_step=0))
    assert free.request.body["logit_bias"] == {"5": 0.9}


def test_too_many_ids_in_one_request():
    most = PolicyConfig().biased_per_request
    assert ask(logit_bias={str(i): 1 for i in range(most)}).denied == ()
    assert "300" in refused(logit_bias={str(i): 1 for i in range(most + 1)}).message


def test_distinct_ids_are_budgeted_by_organisation():
    ledger = BiasLedger()
    config = PolicyConfig(biased_per_org=10)
    for i in range(10):
        ask(logit_bias={str(i): 1}, ledger=ledger, config=config)
    problem = refused(logit_bias={"10": 1}, ledger=ledger, config=config)
    assert (problem.kind, problem.param, problem.code) == (
        "permission",
        "logit_bias",
        "bias_budget",
    )
    assert ask(logit_bias={"3": 5, "4": 1}, ledger=ledger, config=config).denied == ()
    assert ask(logit_bias={"10": 1}, ledger=ledger, config=config, subject="other").denied == ()


def test_a_refused_request_books_nothing():
    ledger = BiasLedger()
    refused(logit_bias={"5": 1}, n=0, ledger=ledger)
    assert ledger.spent("org") == 0


# -- the rest -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["n", "best_of"])
@pytest.mark.parametrize("value", [-1, 17, True, 1.0, "2", [], 10**20])
def test_choices_are_bounded(name, value):
    assert refused("openai.completions", **{name: value}).param == name


def test_no_choice_is_refused_but_none_to_choose_from_passes():
    """OpenAI's description allows `best_of` 0, and not `n` 0."""
    assert refused("openai.completions", n=0).param == "n"
    assert ask("openai.completions", best_of=0).request.body["best_of"] == 0


def test_nulls_mean_absent():
    nulls = dict.fromkeys(CHECKED["openai.chat"])
    applied = ask(**nulls)
    assert (applied.denied, applied.decimals, applied.request.edited) == ((), None, False)


@pytest.mark.parametrize("name", ["stream_options", "chat_template_kwargs", "reasoning"])
def test_members_are_on_a_list_too(name):
    applied = ask(**{name: {"tokenize": False, "x": 1}})
    assert applied.request.body[name] == {} and applied.denied == (name,)
    assert refused(**{name: "x"}).param == name
    assert refused(config=PolicyConfig(unknown="refuse"), **{name: {"x": 1}}).param == name


def test_template_arguments_with_the_grant():
    applied = ask(grants=("engine",), chat_template_kwargs={"tokenize": False})
    assert applied.request.body["chat_template_kwargs"] == {"tokenize": False}


def test_grammars_need_a_grant_and_schemas_do_not():
    tag = {"type": "structural_tag", "structures": []}
    assert ask(response_format=tag).denied == ("response_format",)
    assert ask(response_format=tag, grants=("guided",)).denied == ()
    assert ask(response_format={"type": "json_schema", "json_schema": {}}).denied == ()
    assert refused(response_format="json").param == "response_format"
    assert refused(response_format={"type": {}}).param == "response_format"
    text = ask("openai.responses", text={"format": {"type": "grammar"}, "extra": 1})
    assert "text" not in text.request.body
    assert ask("openai.responses", text={"format": {"type": "text"}}).denied == ()


def test_nested_sampling_params_of_engines():
    nested = {"max_new_tokens": 3, "logit_bias": {"5": 9}, "custom_params": {}}
    one = ask("engine.extras", text="x", sampling_params=nested)
    assert one.request.body["sampling_params"] == {"max_new_tokens": 3}
    many = ask("engine.extras", text="x", sampling_params=[nested, {"temperature": 0}])
    assert many.request.body["sampling_params"] == [{"max_new_tokens": 3}, {"temperature": 0}]
    assert refused("engine.extras", sampling_params="x").param == "sampling_params"


def test_max_tokens_is_left_alone():
    for value in (1, 10**9, "many", None):
        assert not ask(max_tokens=value).request.edited


def test_several_denials_are_named_once_each():
    applied = ask(prompt_logprobs=1, foo=1, bar=2, top_logprobs=9, logit_bias={"5": 99})
    assert sorted(applied.denied) == ["logit_bias", "prompt_logprobs", "top_logprobs", "unknown"]
    assert set(msgspec.json.decode(applied.request.encode())) == {
        "model",
        "messages",
        "logit_bias",
    }


def test_strip_unasked_looks_through_every_reply():
    config = PolicyConfig(strip_unasked=True)
    assert ask(config=config).decimals == STRIP
    assert ask(config=config, n=2, stream_options={"x": 1}).decimals == STRIP
    assert ask(config=config, logprobs=True).decimals == 2


@pytest.mark.parametrize(
    "wrong",
    [{"n": 0}, {"top_logprobs": -1}, {"decimals": 7}, {"max_bias": 101}, {"bias_step": -1},
     {"biased_per_org": -1}],
)  # fmt: skip
def test_a_wrong_configuration_is_an_error(wrong):
    with pytest.raises(ValueError, match=f"parameters.({next(iter(wrong))}|decimals)"):
        PolicyConfig(**wrong)
