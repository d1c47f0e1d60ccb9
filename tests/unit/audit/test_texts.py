"""Files of texts: whatever bytes they hold, they are read as named by their hash, or refused."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from titer.audit import texts
from titer.audit.texts import Text, read_texts
from titer.core.errors import InputError


def test_prompts_and_exchange_logs_are_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"text":"one","system":"be kind"}\n\n'
        '{"reply":{"text":"two"},"principal":"x"}\n{"text":""}\n'
    )
    found, material = read_texts(path, what="prompts")
    assert found == (Text("one", "be kind"), Text("two"))
    assert material.count == 2
    assert material.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text":"a"}\n{"words":1}\n', ":2"),
        (b'{"text":"a"}\nnot json\n', ":2"),
        (b'["a"]\n', ":1"),
        (b'{"text":7}\n', ":1"),
        (b'{"text":"\xff"}\n', ":1"),
        (b"\n\n", "holds no text"),
        (b"[" * 200_000, ":1"),
    ],
)
def test_what_is_no_text_is_named_by_its_line(tmp_path, content, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_texts(path, what="prompts")


def test_limits(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text":"abcdef"}\n' * 5)
    for name, value, message in (
        ("MAX_BYTES", 50, "more than 50 bytes"),
        ("MAX_TEXTS", 4, "more than 4 texts"),
        ("MAX_CHARS", 5, "at most 5"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(texts, name, value)
            with pytest.raises(InputError, match=message):
                read_texts(path, what="prompts")
    with pytest.raises(InputError, match="cannot read"):
        read_texts(tmp_path / "none", what="prompts")


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda t: f'{{"text":"{t}"}}'.encode()))
def test_any_bytes_are_texts_or_an_error_of_ours(tmp_path, content):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    try:
        found, _ = read_texts(path, what="prompts")
    except InputError:
        return
    assert all(text.text for text in found)
