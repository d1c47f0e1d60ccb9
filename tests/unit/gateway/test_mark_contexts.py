"""Contexts of marked replies: by the engine's ids or a named tokenizer, keyed, sealed, bounded."""

from __future__ import annotations

import struct

import msgspec
import numpy as np
import pytest

from titer.access.limits import Caller
from titer.core.errors import ConfigError
from titer.core.gather import gather
from titer.core.nouns import Exchange, Origin, Principal, ReplyFacts, RequestFacts, Usage
from titer.core.sketch import Sketcher
from titer.core.wire import Written
from titer.engine import Flight
from titer.evidence.owner import owner
from titer.gateway.forwarding import MAX_CONTEXTS, _parts
from titer.gateway.mark_contexts import Contexts, checked
from titer.gateway.marking import make_contexts, with_mark_keys
from titer.gateway.records import MAX_SAID, Marked, Reader, Recorder
from titer.gateway.ring import Ring
from titer.gateway.settings import GatewaySettings
from titer.marks import keystore
from titer.marks.context_log import ContextLog, Reached
from titer.marks.contexts import as_tokens
from titer.marks.keys import Epoch, KeyRing
from titer.respond.options import Options

RING = KeyRing((Epoch(number=1, master=bytes(32), created=1),
                Epoch(number=2, master=b"m" * 32, created=2)))  # fmt: skip


def exchange(mark, subject="p"):
    return Exchange("x", 7, Principal(subject), "/x", request=RequestFacts(mark=mark))


def ids(*numbers):
    return struct.pack(f"={len(numbers)}I", *numbers)


def reached(entries):
    ((kind, body),) = entries
    assert kind == "mark-contexts"
    return msgspec.json.decode(body, type=Reached)


def test_what_ids_reached_is_written_down_keyed_by_the_account_s_secret():
    key = RING.key("p", 1)  # of an epoch that has passed
    said = Marked((ids(1, 2, 3, 4, 5, 6), ids(1, 2, 9)), cut=4)
    made = Contexts(RING, None).entries([(exchange(key.id), said)])
    found = reached(made)
    assert owner(*made[0]) == "p"
    assert (found.exchange, found.account, found.key, found.at) == ("x", "p", key.id, 7)
    assert (found.source, found.tokens, found.cut) == ("engine", 9, 4)
    for width, kept in found.contexts.items():
        log = ContextLog(key.secret, width)
        log.add([as_tokens(np.arange(1, 7)), as_tokens([1, 2, 9])])
        assert log.kept == kept
    assert sorted(found.contexts) == [1, 2, 4]
    assert len(found.contexts[4]) == 2 * 4
    assert found.contexts[2] not in made[0][1]  # as base64, and no ids in the clear
    other = RING.key("q", 1)
    theirs = reached(Contexts(RING, None).entries([(exchange(other.id, "q"), said)]))
    assert theirs.contexts[2] != found.contexts[2]


def test_a_reply_without_ids_is_read_with_the_tokenizer_that_was_named(tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="needs titer[tokens]")
    words = {"the": 0, "cat": 1, "sat": 2, "down": 3, "?": 4}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="?"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    key = RING.key("p")
    contexts = Contexts(RING, path)
    found = reached(contexts.entries([(exchange(key.id), Marked(text="the cat sat down"))]))
    assert found.source.startswith("sha256:")
    assert found.tokens == 4
    log = ContextLog(key.secret, 1)
    log.add([as_tokens([0, 1, 2, 3])])
    assert found.contexts[1] == log.kept
    assert Contexts(RING, None).entries([(exchange(key.id), Marked(text="the cat"))]) == []
    path.write_text("{}")
    with pytest.raises(ConfigError, match=r"marks\.tokenizer"):
        Contexts(RING, path)
    with pytest.raises(ConfigError, match=r"marks\.tokenizer"):
        Contexts(RING, tmp_path / "none.json")


def test_what_cannot_be_read_costs_its_own_entry_alone():
    key = RING.key("p")
    contexts = Contexts(RING, None)
    good = (exchange(key.id), Marked((ids(1, 2, 3),)))
    bad = (exchange(key.id), Marked((ids(1, 1 << 31, 2),)))
    broken = (exchange(key.id), Marked((b"123",)))
    stranger = (exchange("0" * 16), Marked((ids(1, 2, 3),)))
    assert len(contexts.entries([bad, broken, stranger, good])) == 1
    assert contexts.faults == 2


def test_what_was_noted_travels_to_the_analysis_process_bounded():
    ring = Ring()
    written = Written(100, keep_text=True)
    written.add(0, [1, 2, 3])
    written.says("not kept, since ids came")
    text = Written(100, keep_text=True)
    text.says("x" * 100_000)
    for noted in (written, text, Written(100, keep_text=True), None):
        facts = RequestFacts(mark="k")
        flight = Flight(
            "x", 10, Caller("k", Principal("p"), 1, 0), Origin(), "openai.chat", "/x", "m", b"",
            *gather([("user", "hi")]), facts, ReplyFacts("stop"), Usage(1, 2), 200, (), noted,
        )  # fmt: skip
        assert Recorder(ring).emit(flight)
    batch = Reader(Sketcher(b"k" * 32)).read(ring.drain(9))
    assert len(batch.exchanges) == 4
    (one, first), (two, second) = batch.marked
    assert one is batch.exchanges[0]
    assert first == Marked((ids(1, 2, 3),))
    assert two is batch.exchanges[1]
    assert second.text == "x" * MAX_SAID


class Service:
    def __init__(self, data, enforce=True, **options):
        self.data = data
        self.options = Options(mark_engine="vllm", **options)
        self.settings = GatewaySettings(upstream="http://127.0.0.1:1", enforce=enforce)


def test_ids_are_asked_for_only_where_they_can_be_taken_out_again(tmp_path):
    keystore.create(tmp_path, RING)
    assert with_mark_keys(Service(tmp_path, mark_ids=True)).mark_ids
    assert make_contexts(Service(tmp_path, mark_ids=True)) is not None
    for service in (Service(tmp_path, enforce=False, mark_ids=True), Service(tmp_path)):
        assert not with_mark_keys(service).mark_ids
        assert make_contexts(service) is None


def test_contexts_of_other_gateways_are_checked_and_come_in_parts():
    body = Contexts(RING, None).entries([(exchange(RING.key("p").id), Marked((ids(1, 2, 3),)))])
    assert checked([b"{}", body[0][1], b"\xff"]) == body
    assert _parts([]) == [()]
    large = [b"x" * (MAX_CONTEXTS // 2 + 1)] * 3
    assert [len(part) for part in _parts(large)] == [1, 1, 1]
    assert [len(part) for part in _parts([b"x"] * 9)] == [9]
