"""Canaries of a data directory: the gateway's own, committed to, and named by the operator."""

from __future__ import annotations

import msgspec
import pytest

from titer.access import KeyBook
from titer.access.secret import load_or_create
from titer.console.canaries import canaries, committed, issue, whose
from titer.console.explain import open_view
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Standing
from titer.core.wire import Request
from titer.gateway.assembly import origin
from titer.respond.harden import CANARY, Harden


@pytest.fixture
def data(tmp_path):
    with KeyBook(tmp_path) as book:
        for org in ("acme", "globex", "initech"):
            book.create(org=org, tier="standard")
    return tmp_path


def test_what_the_gateway_puts_into_a_prompt_is_named(data):
    key = Pseudonyms(load_or_create(data)).key(CANARY)
    globex = Pseudonyms(load_or_create(data)).of("org", "globex")
    body = {"messages": [{"role": "system", "content": "Be brief."}]}
    request = Request(
        dialect="openai.chat", endpoint="/", body=body, raw=msgspec.json.encode(body)
    )
    leaked = Harden(key).request(request, 0.5, Standing(globex)).body["messages"][0]["content"]
    (found,) = whose(data, leaked.upper())
    assert (found.name, found.sighting.account) == ("globex", globex)
    assert found.sighting.log10_p < -12
    assert whose(data, "Be brief.") == []


def test_the_log_commits_to_the_key_once_and_before_the_first_canary(data):
    commitment = canaries(data).commitment()
    assert committed(data, commitment) is None
    one = issue(data, "acme", "token", origin=origin(data))
    two = issue(data, "acme", "token", epoch="2", origin=origin(data))
    assert one.text != two.text
    word = committed(data, commitment)
    assert word is not None
    assert word.canary_key == commitment
    assert word.at > 0
    kinds = [stored.kind for stored in open_view(data).scan()]
    assert kinds.count("mark") == 1
    assert committed(data, "0" * 64) is None
    (found,) = whose(data, two.text, epochs=("", "2"))
    assert (found.name, found.sighting.epoch) == ("acme", "2")


def test_a_text_that_is_too_long_is_refused(data):
    with pytest.raises(InputError, match="in parts"):
        whose(data, "x" * 4_000_001)
