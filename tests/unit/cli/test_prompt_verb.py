"""`titer prompt` as an author uses it; a leaky server answers the attacks."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from titer.access import KeyBook
from titer.cli import main
from titer.respond.harden import RULES

PROMPT = (
    "You are the assistant of a shoe shop in Lisbon. Offer the autumn discount of twelve percent"
    " to members only, and never mention the supplier of the red boots to anybody.\n"
)


@pytest.fixture
def prompt(tmp_path):
    file = tmp_path / "prompt.txt"
    file.write_text(PROMPT)
    return file


@pytest.fixture
def leaky():
    """Gives its prompt away in base64 when asked for that, unless rules stand behind it."""

    class Leaky(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            system, asked = body["messages"][0]["content"], body["messages"][-1]["content"]
            said = "We sell shoes."
            if "base64" in asked and RULES not in system:
                said = base64.b64encode(system.encode()).decode()
            data = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Leaky) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/v1"
        running.shutdown()
        thread.join()


def _json(capsys, *words) -> tuple[int, dict]:
    status = main([*map(str, words), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_lint_names_line_and_rule(prompt, tmp_path, capsys):
    bad = tmp_path / "bad.txt"
    bad.write_text("Be brief.\nThe password is hunter22.\n")
    assert main(["prompt", "lint", str(bad)]) == 1
    out = capsys.readouterr().out
    assert f"{bad}:2: error" in out
    assert "[secret]" in out
    assert "hunter22" not in out
    good = tmp_path / "good.txt"
    good.write_text(PROMPT + RULES)
    assert _json(capsys, "prompt", "lint", good) == (0, {"remarks": []})
    assert main(["prompt", "lint", str(prompt), "--skip", "nonsense"]) == 2
    assert "there is no rule nonsense" in capsys.readouterr().err


def test_harden_keeps_the_prompt_and_can_write_it(prompt, tmp_path, capsys):
    assert main(["prompt", "harden", str(prompt), "--canary", "bidok-zonal"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(PROMPT.rstrip())
    assert RULES in text
    assert "bidok-zonal" in text
    out = tmp_path / "hard.txt"
    assert main(["prompt", "harden", str(prompt), "-o", str(out)]) == 0
    assert out.read_text().startswith(PROMPT.rstrip())
    assert main(["prompt", "harden", str(prompt), "-o", str(tmp_path / "no" / "x")]) == 2


def test_attack_tells_what_leaked_and_that_hardening_helped(prompt, leaky, capsys):
    status, told = _json(
        capsys, "prompt", "attack", prompt, "--url", leaky, "--model", "m", "--also-hardened"
    )
    assert status == 1
    rates = {r["technique"]: r for r in told["as written"]["rates"]}
    assert rates["encode"]["leaked"] == 1
    assert rates["all"]["leaked"] == 1
    assert rates["all"]["tried"] >= 50
    assert told["hardened"]["rates"][-1]["leaked"] == 0
    assert main(["prompt", "attack", str(prompt), "--url", leaky, "--model", "m"]) == 1
    assert "1 of 5    leaked" in capsys.readouterr().out


def test_attack_with_a_file_of_ones_own_and_a_dead_server(prompt, leaky, tmp_path, capsys):
    file = tmp_path / "a.jsonl"
    file.write_text('{"text":"hello","source":"mine"}\n')
    words = ["prompt", "attack", prompt, "--model", "m", "--attacks", file]
    status, told = _json(capsys, *words, "--url", leaky)
    assert (status, told["as written"]["rates"][0]["technique"]) == (0, "mine")
    assert main([*map(str, words), "--url", "http://127.0.0.1:9"]) == 2
    assert "no attack got a reply" in capsys.readouterr().err
    assert main([*map(str, words), "--url", leaky, "--key-env", "TITER_TEST_UNSET"]) == 2
    assert "TITER_TEST_UNSET is not set" in capsys.readouterr().err


def test_leakcheck_reads_encodings(prompt, tmp_path, capsys):
    leak, clean = tmp_path / "leak.txt", tmp_path / "clean.txt"
    leak.write_text(PROMPT[::-1])
    clean.write_text("We sell shoes, and members get a discount.")
    status, told = _json(capsys, "prompt", "leakcheck", prompt, leak, clean)
    assert status == 1
    assert told["shares"][str(leak)] > 0.9
    assert told["shares"][str(clean)] < 0.1
    assert _json(capsys, "prompt", "leakcheck", prompt, clean)[0] == 0
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"\xff\xfe\xff")
    assert main(["prompt", "leakcheck", str(prompt), str(latin)]) == 2


def test_a_canary_is_issued_found_and_not_found(tmp_path, capsys):
    with KeyBook(tmp_path) as book:
        book.create(org="acme", tier="standard")
        book.create(org="globex", tier="standard")
    status, canary = _json(capsys, "prompt", "canary", "acme", "--data", tmp_path)
    assert status == 0
    found = tmp_path / "found.txt"
    found.write_text(f"My reference is {canary['text'].replace('-', ' ')}.")
    status, told = _json(capsys, "prompt", "whose", found, "--data", tmp_path)
    assert (status, told["named"], told["found"][0]["name"]) == (1, 1, "acme")
    assert told["committed_at"] > 0
    assert main(["prompt", "whose", str(found), "--data", str(tmp_path)]) == 1
    assert "acme: phrase, 5 of 5 parts" in capsys.readouterr().out
    found.write_text("nothing of the kind")
    assert main(["prompt", "whose", str(found), "--data", str(tmp_path)]) == 0
