"""A dossier about one subject, with a summary that says what the log's entries add up to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from titer.console.explain import Explanation, explain, open_view
from titer.core.errors import InputError
from titer.evidence.dossier import build


def prove(data: Path, name: str, *, disclose: bool = False) -> tuple[Explanation, bytes]:
    """(the explanation, the dossier) for a subject named as in `explain`.

    `disclose` writes the operator's own name for the subject into the dossier; without it only
    pseudonyms leave. Raises `InputError` when the log has nothing about it or too much.
    """
    found = explain(data, name)
    names = {found.subject: found.name} if disclose and found.name else {}
    try:
        dossier = build(
            open_view(data),
            subject=found.subject,
            summary=_summary(found if names else msgspec.structs.replace(found, name="")),
            names=names,
        )
    except (LookupError, ValueError) as error:
        raise InputError(f"no dossier was made: {error}") from None
    return found, dossier


def _summary(found: Explanation) -> dict[str, Any]:
    """What is claimed; every id in it is looked up among the entries by whoever verifies."""
    return {
        "bits": round(found.bits, 3),
        "sources_averaged": found.sources,
        "exposure_tokens": found.exposure,
        "exchanges": found.exchanges,
        "refused": found.refused,
        "first_at": found.first,
        "last_at": found.last,
        "techniques": sorted({f.technique for f in found.findings if f.technique}),
        "detectors": sorted({f.detector for f in found.findings}),
        "calibrations": sorted({f.calibration for f in found.findings if f.calibration}),
        "findings": [f.id for f in found.findings],
        "decisions": [d.id for d in found.decisions],
        "in_words": found.lines(),
    }
