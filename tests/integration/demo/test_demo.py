from __future__ import annotations

import json
import subprocess
import sys

import pytest

from titer.lab import small_model


def titer(*words, timeout=540):
    return subprocess.run(
        [sys.executable, "-m", "titer", *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.slow
def test_the_story_holds_without_a_terminal(tmp_path):
    folder = tmp_path / "kept"
    done = titer("demo", "--json", "--seconds", "12", "--seed", "7", "--keep", str(folder))
    told = json.loads(done.stdout.splitlines()[-1])
    assert list(told) == ["verified", "honest_dosed", "attackers_dosed", "seconds"]
    assert done.returncode == 0, done.stderr
    assert told["verified"] is True
    assert told["honest_dosed"] == 0
    assert 2 <= told["attackers_dosed"] <= 32
    assert told["seconds"] > 12
    assert "\x1b[" not in done.stderr  # no colours where no terminal is
    # what it left behind can be looked at with the same verbs
    key = (folder / "data" / "log" / "log.pub").read_text().strip()
    assert titer("verify", str(folder / "dossier.json"), "--key", key).returncode == 0
    assert titer("verify", str(folder / "broken.json"), "--key", key).returncode == 2
    again = titer("demo", "--keep", str(folder))
    assert again.returncode == 2
    assert "not empty" in again.stderr


def test_a_model_is_not_run_before_its_terms_are_accepted():
    done = titer("demo", "--model")
    assert done.returncode == 2
    wanted = "demo-model" if small_model.missing() else "Gemma Terms of Use"
    assert wanted in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_a_real_small_model_answers_in_its_own_words(tmp_path):
    absent = small_model.missing()
    if absent:
        pytest.skip(f"needs the extra titer[demo-model]: {', '.join(absent)}")
    import urllib.request

    body = {"messages": [{"role": "user", "content": "Count: one, two,"}], "max_tokens": 8}
    with small_model.serving(tmp_path) as url:
        request = urllib.request.Request(
            f"{url}/v1/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as reply:
            told = json.loads(reply.read())
    assert told["usage"]["completion_tokens"] == 8
    assert told["choices"][0]["message"]["content"]
