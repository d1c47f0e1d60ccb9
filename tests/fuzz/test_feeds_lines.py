"""Whatever stands in a log, a feed ends, counts every line, and raises nothing but InputError."""

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.sketch import Sketcher
from titer.gateway.feeds import Feed, Options

PSEUDONYMS = Pseudonyms(b"s" * 32)
SKETCHER = Sketcher(PSEUDONYMS.key("sketch"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = ("at", "principal", "org", "tier", "created", "grants", "origin", "endpoint", "request",
        "reply", "usage", "status", "id", "call_type", "startTime", "metadata", "messages",
        "response", "custom_id", "url", "body", "model_parameters", "request_tags",
        "action", "actor", "repo", "@timestamp", "actor_ip", "repository", "verb", "refs", "bytes",
        "author_id", "entity_path", "entity_type", "created_at", "details",
        "event_type", "auditType", "affectedObjects", "timestamp", "source", "author",
        "extraAttributes")  # fmt: skip
GOOD = {"at": 1.0, "principal": "a", "endpoint": "/v1/chat/completions", "call_type": "completion",
        "startTime": 1.0, "metadata": {"user_api_key_hash": "k"}, "messages": [],
        "custom_id": "1", "url": "/v1/completions", "body": {"prompt": "x"},
        "request": {"messages": [{"role": "user", "content": "hi"}]},
        "action": "git.clone", "repo": "o/r", "@timestamp": 1.0, "repository": "o/r",
        "verb": "clone", "author_id": 1, "entity_path": "g/p", "created_at": 1.0,
        "event_type": "repository_git_operation", "author": {"id": "2", "name": "a"},
        "auditType": {"action": "Repository cloned"}, "timestamp": {"epochSecond": 1, "nano": 0},
        "affectedObjects": [{"name": "P", "type": "PROJECT"}, {"name": "r", "type": "REPOSITORY"}],
        "details": {"custom_message": {"action": "git-upload-pack"}}}  # fmt: skip


@pytest.mark.parametrize("shape", ["titer", "litellm", "openai"])
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5), max_size=4),
       junk=st.binary(max_size=40))  # fmt: skip
def test_every_line_is_taken_or_counted(shape, changes, junk):
    lines = [json.dumps({**GOOD, **change}).encode() for change in changes]
    data = b"\n".join([*lines, junk.replace(b"\n", b"?"), b""])
    feed = Feed(sketcher=SKETCHER, pseudonyms=PSEUDONYMS, options=Options(format=shape),
                stdin=io.BytesIO(data))  # fmt: skip
    taken = []
    report = feed.run(["-"], taken.extend)
    blank = not junk or junk.replace(b"\n", b"?").isspace()
    assert len(taken) + report.bad == len(lines) + (not blank)
    assert all(isinstance(e.at, int) and e.principal.id for e in taken)


@pytest.mark.parametrize("shape", ["github-audit", "gitlab-audit", "bitbucket-audit", "transfer"])
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5), max_size=4),
       junk=st.binary(max_size=40))  # fmt: skip
def test_every_repository_event_is_kept_or_counted(shape, changes, junk):
    lines = [json.dumps({**GOOD, **change}).encode() for change in changes]
    pages = [b"[%b]" % line for line in lines]
    data = b"\n".join([*lines, *pages, b"!" + junk.replace(b"\n", b"?"), b""])
    kept = []
    feed = Feed(sketcher=SKETCHER, pseudonyms=PSEUDONYMS, options=Options(format=shape),
                stdin=io.BytesIO(data), moved=kept.extend)  # fmt: skip
    report = feed.run(["-"], lambda exchanges: pytest.fail("no exchanges are in there"))
    assert len(kept) + report.bad + report.left_out == 2 * len(lines) + 1
    assert report.transfers == len(kept)
    assert all(t.principal.id and not t.principal.org and 0 <= t.bytes <= 1 << 60 for t in kept)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_bytes_of_any_kind_end_in_a_report_or_a_refusal(data):
    feed = Feed(sketcher=SKETCHER, pseudonyms=PSEUDONYMS, stdin=io.BytesIO(data))
    try:
        report = feed.run(["-"], lambda exchanges: None)
    except InputError as error:
        assert "titer" in str(error)
    else:
        assert report.exchanges >= 0
