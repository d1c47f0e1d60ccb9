"""Recognisers against the engines' own detectors: same text, same key, same statistic.

The vectors were made by the detectors that `origin` names; the text repeats a stretch of itself.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from titer.marks.contexts import Contexts, as_tokens
from titer.marks.recognise import recognise
from titer.marks.schemes import scheme

VECTORS = json.loads((Path(__file__).parent / "vectors" / "marks.json").read_text())["vectors"]


def made(vector):
    parameters = dict(vector["parameters"])
    if "keys" in vector:
        parameters |= {"keys": vector["keys"], "depth": len(vector["keys"])}
    return scheme(vector["scheme"], parameters)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['scheme']}-{v['scored']}")
def test_the_statistic_is_the_engine_s_own(vector):
    marks = made(vector)
    (found,) = recognise(marks, [as_tokens(vector["tokens"])], [vector.get("key", 0)])
    assert found.scored == vector["scored"]
    assert found.total == pytest.approx(vector["total"], rel=1e-14)
    log_p = found.log10_p * math.log(10)
    if "log_p" in vector:
        assert log_p == pytest.approx(vector["log_p"], rel=1e-9)
    elif "p_value" in vector and vector["parameters"]["alpha"] is None:
        assert log_p == pytest.approx(math.log(vector["p_value"]), rel=1e-9)
    elif "p_value" in vector:  # two keys: the engine approximates the sum of two Gammas by one
        assert log_p == pytest.approx(math.log(vector["p_value"]), abs=0.01)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['scheme']}-{v['scored']}")
def test_a_row_says_of_each_token_what_the_text_says(vector):
    marks = made(vector)
    small = 600 if vector["scheme"] != "hf-kgw" else vector["parameters"]["vocabulary"]
    if vector["scheme"] == "hf-kgw" and vector["parameters"]["seeding"] == "selfhash":
        small = 40  # each token of the row needs a shuffle of its own
    key = vector.get("key", 0)
    context = as_tokens(vector["tokens"])[:20]
    row = marks.row(context, key, small)
    for token in (0, 7, small - 1):
        text = as_tokens([*context, token])
        assert row[token] == pytest.approx(
            marks.at(text, np.array([len(context)]), key)[0], rel=1e-15
        )


def test_synthid_values_before_deduplication():
    for vector in (v for v in VECTORS if v["scheme"] == "hf-synthid"):
        marks, tokens = made(vector), as_tokens(vector["tokens"])
        everywhere = np.arange(marks.start, len(tokens))
        assert list(marks.at(tokens, everywhere, 0)) == vector["ones"]
        kept = Contexts().new(marks, tokens)
        mask = [bool(m) for m in vector["mask"]]
        assert [p in set(kept) for p in everywhere] == mask
