"""Chain of custody: who did what to a case and when, where the log says so, and the digests.

Each step comes with the line that the log's tree holds and its inclusion proof, so that its time
and order can be checked without being shown what was written. Texts are only in it when asked for.
Who unmasked names of its campaigns and dossiers is told as well: no name is in those entries.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from titer.console.unmasking import unmaskings
from titer.evidence.case import Case
from titer.evidence.log import View


def custody(
    log: View, case: Case, files: Mapping[str, str], *, at: int, notes: bool
) -> dict[str, Any]:
    """The document. `files` are SHA-256 (hex) by name; `at` is when the pack is made.

    With `notes`, bodies and salts of the steps are in it, and open the commitments in their lines.
    """
    signed = log.publish()
    steps = []
    for taken in case.steps:
        stored = log.read(taken.index)
        step: dict[str, Any] = {
            "index": taken.index,
            "logged_at": taken.at,
            "action": taken.step.action,
            "by": taken.step.by,
            "to": taken.step.to,
            "refs": msgspec.to_builtins(taken.step.refs),
            "line": stored.line.decode(),
            "proof": [base64.b64encode(h).decode() for h in log.inclusion(taken.index)],
        }
        if notes and stored.body is not None and stored.salt is not None:
            step["body"] = stored.body.decode()
            step["salt"] = base64.b64encode(stored.salt).decode()
        steps.append(step)
    unmasked = []
    for taken_, stored in unmaskings(log, case):
        assert stored.body is not None
        assert stored.salt is not None
        unmasked.append({
            "index": stored.index, "logged_at": stored.at, **msgspec.to_builtins(taken_),
            "line": stored.line.decode(), "body": stored.body.decode(),
            "salt": base64.b64encode(stored.salt).decode(),
            "proof": [base64.b64encode(h).decode() for h in log.inclusion(stored.index)],
        })  # fmt: skip
    return {
        "case": case.id,
        "title": case.title,
        "made_at": at,
        "log": {"key": str(log.verifier), "checkpoint": signed},
        "steps": steps,
        "unmaskings": unmasked,
        "files": [{"name": name, "sha256": digest} for name, digest in sorted(files.items())],
        "how_to_check": (
            "files: sha256sum -c MANIFEST.sha256. steps, unmaskings: SHA-256 of a zero byte and "
            "`line` is the leaf; `proof` leads from it to the root in the checkpoint (RFC 9162), "
            "which is signed by `key` (C2SP signed-note). A `body` opens its line: `commitment` "
            "is SHA-256 of `salt` and `body`."
        ),
    }
