"""The part of a request's text that a sketch reads, as one run of bytes.

All roles and turns in order, each opened by a role token; a long request is represented by its
head and its tail. Bounded, so that it can travel between processes whatever the caller sent.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Characters of one request that are read; beyond it, head and tail. Bounds the work per
#: exchange: 0.2 ms for 16 kB of prose, under 5 ms for the worst text found (all quotes).
CAP = 16_384
#: Of `CAP`, those taken from the end: the question usually stands there.
TAIL = 4_096
#: Characters of a role's name that are read; also what a turn counts against `CAP`.
ROLE = 16

Texts = Sequence[tuple[str, str]]


def gather(texts: Texts) -> tuple[bytes, int]:
    """The bytes of one request's (role, text) pairs, and its characters in all."""
    count = sum([len(text) for _, text in texts])
    if count + ROLE * len(texts) <= CAP:
        body = "".join([f"\n\x01{role[:ROLE]}\x02 {text}\n" for role, text in texts])
    else:
        head = _taken(texts, CAP - TAIL, backwards=False)
        body = "".join((*head, "\n\x01cut\n", *reversed(_taken(texts, TAIL, backwards=True))))
    return (body or "\n\x01\n").encode("utf-8", "replace"), count


def _taken(texts: Texts, room: int, *, backwards: bool) -> list[str]:
    """Turns from one end, the last of them cut, until `room` characters are spent."""
    taken: list[str] = []
    for role, text in reversed(texts) if backwards else texts:
        if room <= 0:
            break
        part = text[-room:] if backwards else text[:room]
        taken.append(f"\n\x01{role[:ROLE]}\x02 {part}\n")
        room -= len(part) + ROLE
    return taken
