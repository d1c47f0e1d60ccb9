"""Contexts that an account's marked replies reached, out of the log that `titer serve` keeps, and
recognition after these contexts alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from titer.audit import tails
from titer.audit.plan import Material
from titer.core.errors import InputError
from titer.evidence.log import View
from titer.marks import pvalues
from titer.marks.context_log import KIND, WIDTHS, ContextLog, Reached
from titer.marks.contract import Scheme
from titer.marks.keys import MarkKey
from titer.marks.recognise import Evidence, Recognition


def from_log(view: View, key: MarkKey, width: int, *, below: int) -> ContextLog:
    """The contexts of `width` tokens of all entries below an index that this key marked.

    Raises InputError when there are none, or none of this width.
    """
    found = all_from_log(view, [key], width, below=below)
    if not found:
        raise InputError(
            f"contexts: the log holds none that replies marked for {key.account} in epoch "
            f"{key.epoch} reached; see `contexts` and `tokenizer` under [marks], or name a file "
            "that `titer marks contexts` made of them"
        )
    return found[0][1]


def all_from_log(
    view: View, keys: Iterable[MarkKey], width: int, *, below: int
) -> list[tuple[MarkKey, ContextLog]]:
    """The same of several keys in one pass, without those that marked nothing.

    Raises InputError for a width that the log does not hold.
    """
    if width not in WIDTHS:
        widths = ", ".join(map(str, WIDTHS))
        raise InputError(
            f"contexts: the log holds those of {widths} tokens and not of {width}; name a file "
            "that `titer marks contexts` made of the replies"
        )
    parts: dict[tuple[str, str], tuple[MarkKey, list[bytes]]] = {
        (key.account, key.id): (key, []) for key in keys
    }
    decode = msgspec.json.Decoder(Reached).decode
    for stored in view.scan(0, below, kinds=(KIND,)):
        if stored.body is not None:
            with contextlib.suppress(msgspec.MsgspecError):  # of a later version, or damaged
                reached = decode(stored.body)
                wanted = parts.get((reached.account, reached.key))
                if wanted is not None:
                    wanted[1].append(reached.contexts.get(width, b""))
    found = []
    for key, kept in parts.values():
        log = ContextLog(key.secret, width)
        log.merge(kept)
        if len(log):
            found.append((key, log))
    return found


def material(contexts: ContextLog, *, below: int = 0) -> Material:
    """What a plan says about contexts."""
    return Material(hashlib.sha256(contexts.dump()).hexdigest(), len(contexts), below)


def recognise(
    scheme: Scheme, evidence: Evidence, reached: Sequence[tuple[MarkKey, ContextLog]]
) -> list[Recognition]:
    """How far each key marked texts that were gathered (`marks.recognise.gather`), scored only
    where its own marked replies had been.

    Which contexts these replies reached depends on the key, so the scheme's exact tail would not
    be one: p is `tails.uniform`'s bound, adjusted for all of `reached`. Raises InputError for a
    scheme that has no such bound.
    """
    try:
        law = tails.Law(scheme.null_for(evidence.tokens, evidence.positions))
    except TypeError:
        raise InputError(f"logged contexts: no bound is known for {scheme.name}") from None
    rows = []
    for key, contexts in reached:
        places = contexts.among(evidence.tokens, evidence.positions)
        total = float(scheme.at(evidence.tokens, places, key.engine).sum())
        bound = tails.uniform(np.array([total]), tails.Weights(np.ones(len(places))), law)
        rows.append((key.engine, len(places), total, float(bound[0])))
    adjusted = pvalues.holm([log_p for *_, log_p in rows])
    ten = math.log(10)
    return [
        Recognition(key, evidence.given, n, total, n * law.mean, log_p / ten, float(holm) / ten)
        for (key, n, total, log_p), holm in zip(rows, adjusted, strict=True)
    ]
