"""Contexts that an account's marked replies reached, out of the log that `titer serve` keeps."""

from __future__ import annotations

import contextlib
import hashlib

import msgspec

from titer.audit.plan import Material
from titer.core.errors import InputError
from titer.evidence.log import View
from titer.marks.context_log import KIND, WIDTHS, ContextLog, Reached
from titer.marks.keys import MarkKey


def from_log(view: View, key: MarkKey, width: int, *, below: int) -> ContextLog:
    """The contexts of `width` tokens of all entries below an index that this key marked.

    Raises InputError when there are none, or none of this width.
    """
    if width not in WIDTHS:
        widths = ", ".join(map(str, WIDTHS))
        raise InputError(
            f"contexts: the log holds those of {widths} tokens and not of {width}; name a file "
            "that `titer marks contexts` made, or the replies as `logged`"
        )
    decode = msgspec.json.Decoder(Reached).decode
    parts: list[bytes] = []
    for stored in view.scan(0, below):
        if stored.kind == KIND and stored.body is not None:
            with contextlib.suppress(msgspec.MsgspecError):  # of a later version, or damaged
                reached = decode(stored.body)
                if reached.key == key.id and reached.account == key.account:
                    parts.append(reached.contexts.get(width, b""))
    found = ContextLog(key.secret, width)
    found.merge(parts)
    if not len(found):
        raise InputError(
            f"contexts: the log holds none that replies marked for {key.account} in epoch "
            f"{key.epoch} reached; see `contexts` and `tokenizer` under [marks], or name the "
            "replies as `logged`"
        )
    return found


def material(contexts: ContextLog, *, below: int = 0) -> Material:
    """What a plan says about contexts."""
    return Material(hashlib.sha256(contexts.dump()).hexdigest(), len(contexts), below)
