"""Attacks on a prompt: what a server says is judged, counted and bounded."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from titer.core.errors import InputError
from titer.lab import prompt_probe
from titer.lab.prompt_attacks import ATTACKS, MAX_ATTACKS, Attack, read
from titer.lab.prompt_probe import LEAKED, Chat, Outcome, probe, rates

PROMPT = "You sell shoes. The discount is 12 percent."


def judge(text: str) -> float:
    return 1.0 if PROMPT in text else 0.5 * ("shoes" in text) - 0.1 * ("shoes" in text)


def test_the_built_in_attacks_are_many_and_differ():
    assert len(ATTACKS) >= 50
    assert len({a.turns for a in ATTACKS}) == len(ATTACKS)
    assert len({a.technique for a in ATTACKS}) >= 12
    assert any(len(a.turns) > 1 for a in ATTACKS)


def test_each_attack_is_a_conversation_of_its_own_with_the_prompt_in_front():
    seen = []

    def ask(messages):
        seen.append([dict(m) for m in messages])
        return f"reply {len(seen)}"

    attacks = [Attack("a", ("one", "two")), Attack("b", ("three",))]
    outcomes = list(probe(attacks, PROMPT, ask=ask, judge=judge))
    assert [o.share for o in outcomes] == [0.0, 0.0]
    assert [len(m) for m in seen] == [2, 4, 2]
    assert all(m[0] == {"role": "system", "content": PROMPT} for m in seen)
    assert seen[1][2] == {"role": "assistant", "content": "reply 1"}


def test_pieces_of_several_turns_count_together():
    replies = iter([PROMPT[:20], PROMPT[20:]])
    outcome = next(
        probe(
            [Attack("piecewise", ("first half?", "second half?"))],
            PROMPT,
            ask=lambda _: next(replies),
            judge=lambda text: 1.0 if all(w in text for w in ("shoes", "12 percent")) else 0.3,
        )
    )
    assert outcome.leaked


def test_a_failed_request_is_told_and_not_counted_as_a_success_of_the_prompt():
    def ask(_):
        raise InputError("no reply")

    (outcome,) = probe([Attack("direct", ("x",))], PROMPT, ask=ask, judge=judge)
    assert (outcome.error, outcome.leaked) == ("no reply", False)
    assert rates([outcome])[-1].tried == 0


def test_rates_have_exact_intervals():
    outcomes = [Outcome("direct", i, 1.0 if i < 3 else LEAKED - 0.01) for i in range(10)]
    direct, _, everything = rates([*outcomes, Outcome("format", 11, 0.0)])
    assert (direct.leaked, direct.tried) == (3, 10)
    # Clopper-Pearson for 3 of 10, as printed in tables: 0.0667 to 0.6525.
    assert (direct.low, direct.high) == (0.0667, 0.6525)
    assert (everything.technique, everything.leaked, everything.tried) == ("all", 3, 11)


class Server(BaseHTTPRequestHandler):
    status = 200
    reply: object = None
    seen: list = []  # noqa: RUF012

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).seen.append((self.path, self.headers.get("authorization"), body))
        data = self.reply if isinstance(self.reply, bytes) else json.dumps(self.reply).encode()
        self.send_response(self.status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    class Fresh(Server):
        seen: list = []  # noqa: RUF012

    with HTTPServer(("127.0.0.1", 0), Fresh) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield Fresh, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_it_speaks_chat_completions(server, suffix):
    kind, url = server
    kind.reply = {"choices": [{"message": {"content": "Hi", "reasoning_content": "hm"}}]}
    assert Chat(url + suffix, "m", key="sk-1").ask([{"role": "user", "content": "x"}]) == "hm\nHi"
    ((path, key, body),) = kind.seen
    assert (path, key, body["model"]) == ("/v1/chat/completions", "Bearer sk-1", "m")


@pytest.mark.parametrize(
    ("status", "reply", "words"),
    [
        (500, {}, "answered 500"),
        (200, b"<html>", "no chat completion"),
        (200, [], "no chat completion"),
        (200, {"choices": [{"message": None}]}, "no chat completion"),
        (200, {"choices": []}, "no chat completion"),
    ],
)
def test_what_is_no_reply_is_said(server, status, reply, words):
    kind, url = server
    kind.status, kind.reply = status, reply
    with pytest.raises(InputError, match=words):
        Chat(url, "m").ask([])


def test_a_giant_reply_is_cut_off(server, monkeypatch):
    kind, url = server
    monkeypatch.setattr(prompt_probe, "MAX_REPLY", 100)
    kind.reply = {"choices": [{"message": {"content": "x" * 1000}}]}
    with pytest.raises(InputError, match="more than 100 bytes"):
        Chat(url, "m").ask([])


def test_addresses_and_dead_servers(server):
    for bad in ("ftp://x", "localhost:80", "http://"):
        with pytest.raises(InputError, match="no address"):
            Chat(bad, "m")
    with pytest.raises(InputError, match="no reply"):
        Chat("http://127.0.0.1:9", "m").ask([])


def test_attacks_from_a_file(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(
        '{"text":"hi","source":"s","other":1}\n\n{"turns":["a","b"],"technique":"t"}\n'
    )
    assert read(file) == (Attack("s", ("hi",)), Attack("t", ("a", "b")))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no attack"),
        ("{}", "line 1"),
        ('{"text":"x"}\n{', "line 2"),
        ('{"turns":["a",""]}', "line 1"),
        ('{"text":"x"}\n' * (MAX_ATTACKS + 1), "more than 5,000"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path, content, words):
    file = tmp_path / "a.jsonl"
    file.write_text(content)
    with pytest.raises(InputError, match=words):
        read(file)
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path / "none")
