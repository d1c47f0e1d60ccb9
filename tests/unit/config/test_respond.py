"""What the configuration says about the ladder: tiers, segments, deciders, mitigations."""

from __future__ import annotations

import pytest

from titer.config import load
from titer.config.resolving import ladder, options
from titer.core.errors import ConfigError
from titer.core.nouns import Standing
from titer.evidence.note import Signer

ANN = Signer.generate("ann").verifier


def write(folder, text):
    path = folder / "titer.toml"
    path.write_text(text)
    return path


def test_everything_arrives(tmp_path):
    (tmp_path / "secret").write_text("sesame\n")
    (tmp_path / "secret").chmod(0o600)
    path = write(
        tmp_path,
        f"""
[respond]
deciders = ["{ANN}"]
contact = "desk 7"

[[respond.segments]]
name = "batch"
single_from = 0.95

[respond.step_up]
url = "https://verify.example/"
secret = {{ file = "secret" }}
alive_s = 60

[respond.quota]
tokens = 5
models = ["o3*"]

[respond.vary]
n_best = 2

[[ladder]]
name = "all"
at = 5
give = [{{ mitigation = "throttle", strength = 0.5 }}, {{ mitigation = "step_up" }}]

[[ladder]]
segment = "batch"
name = "jobs"
at = 6

[[ladder]]
tier = "free"
name = "free"
at = 4
give = [{{ mitigation = "step_up", otherwise = "throttle" }}]
""",
    )
    config = load(path)
    made, given = ladder(config), options(config)
    assert [d.mitigation for d in made.rungs[0].give] == ["step_up", "throttle"]
    assert made.rungs_of("free")[0].give[0].otherwise == "throttle"
    assert made.rungs_of("", "batch")[0].name == "jobs"
    jobs = Standing("s", 7.0, exchanges=100, single=100)
    assert made.decide(jobs, 0, None).rung == "jobs"
    assert made.deciders == (str(ANN),)
    assert (given.contact, given.quota.models, given.vary.n_best) == ("desk 7", ("o3*",), 2)
    assert given.step_up.secret == "sesame" and given.step_up.alive_s == 60
    assert "sesame" not in repr(given)


RUNG = "[[ladder]]\nname='a'\nat=5\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (RUNG + "segment='x'\n", 1, "no segment 'x'"),
        (RUNG + "give=[{mitigation='step_up'}]", 4, "set url and secret"),
        (RUNG + "give=[{mitigation='logprobs', otherwise='hemlock'}]", 4, "no such mitigation"),
        (
            RUNG + "give=[{mitigation='throttle'},{mitigation='throttle'}]",
            4,
            "ladder[1].give: throttle is given twice",
        ),
        (
            RUNG + "needs='person'\ngive=[{mitigation='refuse'},{mitigation='throttle'}]",
            5,
            "refuse and throttle cannot share a rung",
        ),
        ("[respond]\ndeciders=['ann']\n", 2, "respond.deciders"),
        ('[respond]\ncontact="a\\nb"\n', 2, "one printable line"),
        ("[respond.step_up]\nurl='ftp://x/'\n", 2, "http or https"),
        ("[respond.step_up]\nurl='https://x/'\n", 2, "set both, or neither"),
        ("[respond.quota]\nperiod_s=0\n", 2, "period_s"),
        ("[respond.vary]\ntemperature=1.0\n", 2, "more changes answers"),
        ("[[respond.segments]]\nname='a'\nsingle_from=2\n", 3, "between 0 and 1"),
        ("[[respond.segments]]\nname='a'\n[[respond.segments]]\nname='a'\n", 0, "of its own"),
    ],
)
def test_mistakes_are_named_where_they_stand(tmp_path, text, line, words):
    path = write(tmp_path, text + ("" if "ladder" in text else "\n" + RUNG))
    with pytest.raises(ConfigError) as caught:
        load(path)
    said = str(caught.value)
    assert words in said
    if line:
        assert said.startswith(f"{path}, line {line}: ")
