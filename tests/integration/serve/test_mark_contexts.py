"""Marked replies of vLLM and SGLang through `titer serve`, and what is recognised by its log.

The model server plants for real, by the key that the request brings, and answers in the engines'
own formats (`titer.lab.radioactive.formats`): chat, completions, `/generate`, whole or streamed.
"""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from titer.evidence.log import View
from titer.lab.radioactive.language import Language
from titer.lab.radioactive.planters import planter_of
from titer.lab.radioactive.serving import Server, Speaker
from titer.marks import keystore
from titer.marks.context_log import ContextLog, Reached
from titer.marks.kgw import Kgw
from titer.marks.sglang_murmur import SglangMurmur

TOKENS = 120
#: The engine's scheme at the mark's full strength, and `--scheme` for it.
SCHEMES = {
    "vllm": (Kgw(width=1, delta=2.0), ("kgw", "--set", "width=1")),
    "sglang": (SglangMurmur(width=1), ("sglang-murmur", "--set", "width=1")),
}


def key_of(body):
    """The key as the engine takes it from a request."""
    given = (body.get("vllm_xargs") or {}).get("titer_mark_key")
    given = given or (body.get("watermark") or {}).get("key")
    return int(given, 16) if given else None


def requests(engine, prompt):
    chat = {"messages": [{"role": "user", "content": prompt}], "max_tokens": TOKENS}
    yield "/v1/chat/completions", chat
    yield "/v1/completions", {"prompt": prompt, "max_tokens": TOKENS, "messages": None}
    if engine == "sglang":
        body = {"text": prompt, "sampling_params": {"max_new_tokens": TOKENS}, "messages": None}
        yield "/generate", body


def said(path, raw, *, stream):
    """The text of a reply, as its caller reads it."""
    if not stream:
        body = json.loads(raw)
        if path == "/generate":
            return body["text"]
        choice = body["choices"][0]
        return choice["message"]["content"] if "message" in choice else choice["text"]
    events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith(b"data: {")]
    if path == "/generate":
        return events[-1]["text"]
    choices = [c for e in events for c in e["choices"]]
    return "".join(c["delta"].get("content", "") if "delta" in c else c["text"] for c in choices)


def reached(service):
    view = View.open(service.data / "log")
    return [
        msgspec.json.decode(s.body, type=Reached) for s in view.scan() if s.kind == "mark-contexts"
    ]


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_what_an_engine_wrote_is_recognised_where_the_log_says_it_had_been(
    engine, service, tmp_path, wait, settled
):
    scheme, flags = SCHEMES[engine]
    language = Language(seed=5, vocabulary=300, followers=24)
    speaker = Speaker(language, language.words, planter=planter_of(scheme))
    settled(service.data, marks=True)
    (service.data / "titer.toml").write_text(
        f'[gateway]\nopen_routes = [{{ method = "POST", path = "/generate" }}]\n'
        f'[marks]\nengine = "{engine}"\n'
    )
    data = ("--data", str(service.data))
    key = service.key("rival")
    with Server(speaker, key_of=key_of, engine=engine).running() as peer:
        service.upstream = peer.port
        service.start()
        service.began()
        service.ask(key)
        wait(lambda: service.verb("explain", "rival", *data).returncode < 2, what="a standing")
        service.json(
            "decide", "impose", "rival", "--dose", "mark=1.0", "--by", "analyst", "--for",
            "forever", "--reason", "takes our replies", *data,
        )  # fmt: skip

        def planted():
            service.ask(key, watermark={"enabled": False}, vllm_xargs={"titer_mark_key": "dead"})
            return key_of(peer.seen[-1])

        wait(planted, what="the dose")
        before, texts = len(peer.seen), []
        for number in range(2):
            for stream in (False, True):
                for path, body in requests(engine, language.words.words[7 * number + stream]):
                    asked = body | {"stream": stream, "seed": number}
                    status, _, raw = service.ask(key, path, **asked)
                    assert status == 200, raw
                    texts.append(said(path, raw, stream=stream))
                    assert b"sglext" not in raw
                    assert path == "/generate" or b'_ids":[' not in raw
        sent = peer.seen[before:]
        wait(lambda: len(reached(service)) >= len(texts), what="the log's entries")
        assert service.stop() == 0

    account = service.json("explain", "rival", *data)["subject"]
    own = keystore.load(service.data).key(account)
    assert {key_of(body) for body in sent} == {own.engine}
    entries = reached(service)[-len(texts) :]
    assert {(e.account, e.key, e.source) for e in entries} == {(account, own.id, "engine")}
    assert {e.tokens for e in entries} == {TOKENS}
    for width in (1, 2, 4):
        logged, told = ContextLog(own.secret, width), ContextLog(own.secret, width)
        logged.merge(entry.contexts[width] for entry in entries)
        told.add(language.words.encode(text) for text in texts)
        assert logged.kept == told.kept

    # A suspect writes on from a few of these contexts, and much else that they never reached.
    ids = language.words.encode(texts[0])
    strange = np.random.default_rng(3).integers(300, 1000, 4000)
    suspect = tmp_path / "suspect.json"
    suspect.write_text(json.dumps([*strange.tolist(), *ids.tolist()]))
    recognise = ("marks", "recognise", str(suspect), *data, "--account", "rival")
    plain = service.json(*recognise, "--scheme", *flags)["results"][0]
    found = service.json(*recognise, "--scheme", *flags, "--contexts", "log")
    (sharp,) = found["results"]
    assert sharp["found"]
    assert sharp["account"] == account
    assert sharp["scored"] <= TOKENS < plain["scored"]
    assert sharp["adjusted_log10_p"] < plain["adjusted_log10_p"] - 2
    other = service.verb(*recognise[:-1], "nobody", "--scheme", *flags, "--contexts", "log")
    assert other.returncode == 2
    assert "holds no contexts" in other.stderr
    keyed = service.verb(
        "marks", "recognise", str(suspect), "--key", "env=X", "--contexts", "log", *data
    )
    assert keyed.returncode == 2
