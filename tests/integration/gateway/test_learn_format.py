"""`titer check --learn-format URL`: an HTTP server is asked; the file then hides reasoning."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from titer.cli import main
from titer.core.nouns import Standing
from titer.core.wire import Reply, Request
from titer.respond.reasoning import Reasoning
from titer.respond.reasoning.formats import Formats, read_formats


class Server(BaseHTTPRequestHandler):
    """Answers every question with `said`, and notes what it was asked."""

    said = ("", {})
    status = 200
    raw = b""
    asked: list = []  # noqa: RUF012 - emptied by the fixture

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).asked.append((self.path, self.headers.get("authorization"), body))
        text, more = self.said
        choice = {"index": 0, "message": {"role": "assistant", "content": text, **more}}
        raw = self.raw or json.dumps({"choices": [choice]}).encode()
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("location", "http://127.0.0.1:9/elsewhere")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        """Nothing on the screen."""


@pytest.fixture
def server():
    Server.asked.clear()
    Server.status, Server.raw, Server.said = 200, b"", ("", {})
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def learn(url, out, *more):
    return main(["check", "--learn-format", url, "--model", "new", "--out", str(out), *more])


def first_stream(formats, *texts):
    request = Request(dialect="openai.chat", endpoint="/", body={}, raw=b"{}", model="new")
    transform = Reasoning(formats).answer(request, 1.0, Standing("s"))
    out = []
    for text in texts:
        data = {"choices": [{"index": 0, "delta": {"content": text}}]}
        raw = b"data: " + msgspec.json.encode(data) + b"\n\n"
        out.append("".join(u.text for u in transform.feed(Reply(raw=raw, data=data, text=text))))
    return out


@pytest.mark.parametrize(
    ("said", "inside", "stream"),
    [
        ("a step</think>Five.", True, ["a ", "step", "</think>", "Fi", "ve."]),
        ("<mull>a step</mull>Five.", False, ["<mu", "ll>a", "</mull>", "Fi", "ve."]),
    ],
)
def test_a_format_learnt_from_a_server_hides_the_first_stream(  # noqa: PLR0917
    server, tmp_path, monkeypatch, said, inside, stream
):
    Server.said = (said, {})
    monkeypatch.setenv("MODEL_KEY", "sk-model")
    out = tmp_path / "formats.json"
    assert learn(server + "/", out, "--credential-env", "MODEL_KEY", "--json") == 0
    assert len(Server.asked) == 4
    assert {(path, key) for path, key, _ in Server.asked} == {
        ("/v1/chat/completions", "Bearer sk-model")
    }
    assert all(body["model"] == "new" for _, _, body in Server.asked)
    formats = Formats(read_formats(out))
    assert formats.of("new").inside == inside
    have = first_stream(formats, *stream)
    assert have[-2:] == ["Fi", "ve."], "hidden from the first stream on, and what is said flows"
    assert "".join(have) == "Five."


def test_a_server_with_a_field_for_reasoning_needs_no_tags(server, tmp_path, capsys):
    Server.said = ("Five.", {"reasoning_content": "a step"})
    assert learn(server, tmp_path / "formats.json") == 1
    assert "reasoning_content" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, b"{}"), "Unauthorized"), ((200, b"<html>"), "no chat completion"),
        ((200, b'{"choices":[]}'), "no chat completion"), ((302, b"{}"), "Found"),
        ((200, b'{"choices":[{"message":"x"}]}'), "no chat completion"),
    ],
)  # fmt: skip
def test_a_server_that_is_none_is_said(server, tmp_path, capsys, answer, says):
    Server.status, Server.raw = answer
    out = tmp_path / "formats.json"
    assert learn(server, out) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()
    assert len(Server.asked) == 1, "nobody is sent elsewhere with a credential"


def test_nobody_listens(tmp_path, capsys):
    assert learn("http://127.0.0.1:9", tmp_path / "f.json") == 2
    assert "refused" in capsys.readouterr().err
    assert learn("file:///etc/passwd", tmp_path / "f.json") == 2
    assert "http or https" in capsys.readouterr().err
