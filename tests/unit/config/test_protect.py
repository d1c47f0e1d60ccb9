"""`[protect]`: what is named is read, and what cannot work is said with file and line."""

from __future__ import annotations

import pytest

from titer.config import load, settings
from titer.config.resolving import options
from titer.core.errors import ConfigError
from titer.core.nouns import Dose

pytestmark = pytest.mark.compiled

TEXT = "The night porter keeps the spare keys in the blue tin behind the boiler, and tells nobody."


def write(tmp_path, text):
    (tmp_path / "secret.txt").write_text(TEXT)
    (tmp_path / "short.txt").write_text("1234 and so on")
    (tmp_path / "key").write_text("k\n")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "formats.json").write_text('{"models":{"m":{"tags":[],"inside":true}}}')
    path = tmp_path / "titer.toml"
    path.write_text('[upstream]\nurl = "http://127.0.0.1:1"\n' + text)
    return path


def test_everything_arrives(tmp_path):
    config = load(write(tmp_path, """
[protect]
always = [{ mitigation = "leak_guard", strength = 0.5 }, { mitigation = "reasoning" }]
texts = ["secret.txt"]
formats = "formats.json"
secrets = "none-yet.json"
system_prompts = false
on_leak = "refuse"
[protect.summary]
url = "http://127.0.0.1:9"
model = "small"
credential = { file = "key" }
timeout_ms = 500
"""))  # fmt: skip
    made = options(config)
    assert made.always == (Dose("leak_guard", 0.5), Dose("reasoning", 1.0))
    assert made.leak.texts == (TEXT,)
    assert (made.leak.system_prompts, made.leak.on_leak) == (False, "refuse")
    assert made.formats is not None
    assert made.formats.models["m"].inside
    assert made.summaries
    summary = settings(config).summary
    assert summary is not None
    assert (summary.model, summary.timeout) == ("small", 0.5)
    assert summary.credential is not None
    assert summary.credential.value == "Bearer k"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[protect]\nalways = [{ mitigation = "nothing" }]', "line 4.*no mitigation nothing"),
        ('[protect]\nalways = [{ mitigation = "throttle" }]', "only what acts on replies"),
        ('[protect]\non_leak = "shrug"', "expected one of"),
        ('[protect.summary]\nurl = "http://x"', "set both"),
        ('[protect.summary]\nurl = "http://x"\nmodel = "m"\ntimeout_ms = 0', "timeout_ms must"),
    ],
)
def test_mistakes_are_named(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        load(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('texts = ["absent.txt"]', "cannot be read"),
        ('texts = ["short.txt"]', "titer secrets add"),
        ('formats = "secret.txt"', "learn-format"),
    ],
)
def test_files_are_checked_when_they_are_read(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        options(load(write(tmp_path, f"[protect]\n{text}\n")))
