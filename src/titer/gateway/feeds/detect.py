"""Which format a file is in: asked of its first lines, answered or refused, never guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from titer.core.errors import InputError
from titer.gateway.feeds import exchange_log, litellm, openai_jsonl
from titer.gateway.feeds.audit_shapes import SHAPES

#: Lines looked at: a log may open with a few damaged ones.
SAMPLE = 20

_OWNS = (
    ("titer", exchange_log.owns), ("litellm", litellm.owns), ("openai", openai_jsonl.owns),
    *((name, shape.owns) for name, shape in SHAPES.items()),
)  # fmt: skip
#: Names that `--format` takes.
FORMATS = tuple(name for name, _ in _OWNS)
_any = msgspec.json.Decoder()


def detect(name: str, lines: Sequence[bytes]) -> str:
    """The format of most of the first lines. Raises `InputError` when none is known."""
    votes: Counter[str] = Counter()
    seen: set[str] = set()
    for line in [text for text in lines if text.strip()][:SAMPLE]:
        try:
            value: Any = _any.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(value, list) and value:  # a page of events, as a code host's API gives it
            value = value[0]
        if not isinstance(value, dict):
            continue
        seen.update(key[:32] for key in list(value)[:16])
        for known, owns in _OWNS:
            if owns(value):
                votes[known] += 1
                break
    if votes:
        return votes.most_common(1)[0][0]
    found = f"its lines hold {', '.join(sorted(seen)[:8])}" if seen else "no line of it is JSON"
    raise InputError(
        f"{name}: not a log that titer knows ({found}); it reads titer's exchange log (principal, "
        "endpoint, at), LiteLLM's standard logging payload (call_type, startTime), OpenAI "
        "request/response lines (custom_id, body, response), and repository events of GitHub's "
        "(action, @timestamp), GitLab's (author_id, entity_id) and Bitbucket's (auditType) audit "
        "logs or of its own form (principal, repository, verb); --format names one"
    )
