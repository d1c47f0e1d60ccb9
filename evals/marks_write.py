"""Marked text by every scheme of ours, from one small model, with what it cost."""

from __future__ import annotations

import numpy as np

from evals.marks_corpus import Trigrams
from titer.marks.contract import U32
from titer.marks.gumbel import Gumbel
from titer.marks.kgw import Kgw
from titer.marks.tournament import Tournament

Ours = Kgw | Gumbel | Tournament

#: The schemes that are evaluated, by the name that tables use.
SCHEMES: dict[str, Ours] = {
    "kgw h=1 delta=2": Kgw(1, 0.25, 2.0),
    "kgw h=2 delta=1": Kgw(2, 0.25, 1.0),
    "kgw h=2 delta=2": Kgw(2, 0.25, 2.0),
    "kgw h=4 delta=2": Kgw(4, 0.25, 2.0),
    "gumbel h=4": Gumbel(4, 0.0),
    "gumbel h=4 dual": Gumbel(4, 0.1),
    "gumbel h=2": Gumbel(2, 0.0),
    "tournament h=4": Tournament(4, 30),
}


def write(
    model: Trigrams, scheme: Ours | None, key: int, n: int, seed: int, *, temperature: float = 1.0
) -> tuple[U32, float]:
    """A text of `n` tokens under a key (None: unmarked), and its mean log-probability by the
    model as it is without a mark and at temperature 1 (nats a token). `kgw` adds its delta before
    logits are divided by the temperature, as the paper's code does; the others come after it.
    """
    cold = np.float32(temperature)
    rng = np.random.default_rng(seed)
    text = np.zeros(n + 8, np.uint32)
    text[:8] = rng.integers(0, model.vocabulary, 8)
    sampler = scheme.sampler(key, seed) if isinstance(scheme, Gumbel) else None
    seen: set[bytes] = set()
    keys = np.array([key], np.uint64)
    said = 0.0
    for i in range(8, n + 8):
        context = text[max(0, i - 8) : i]
        plain = model.logits(context)
        if sampler is not None:
            chosen = sampler.sample(plain / cold, context)
        else:
            logits = plain.copy()
            if isinstance(scheme, Kgw):
                scheme.plant(logits[None], [context], keys)
            logits /= cold
            if isinstance(scheme, Tournament):
                window = context[-scheme.width :].tobytes()
                if window not in seen:
                    seen.add(window)
                    scheme.plant(logits, context, key)
            chosen = int(np.argmax(logits + rng.gumbel(size=len(logits))))
        text[i] = chosen
        said += float(plain[chosen])
    return text[8:], said / n
