"""Embeddings: turned in a way that only one organisation has, rounded, and noisy by evidence.

    any strength above 0   every vector is turned by the organisation's own orthogonal map
    above 0.25             and rounded to 3 significant digits of its largest component, then 2
    above 0.75             and carries noise that is the same for the same vector

The map keeps all inner products, so cosine similarity and nearest neighbours inside an
organisation are what they were: indexes and search go on working, as long as all vectors of an
organisation were turned. Vectors of two organisations do not fit together, and none fits the
vendor's own space: pooling accounts to train a copy yields mixed spaces.

    turn(v) = T3 D3 T2 D2 T1 D1 v

D are signs +-1 by HMAC of the organisation; T is a normalised Walsh-Hadamard transform on the
first 2^k components and then on the last 2^k, which cover all d: orthogonal for any d, O(d log d).
The family is that of fast Johnson-Lindenstrauss maps (Ailon and Chazelle, 2009; three rounds as in
Andoni et al., 2015). `dimensions` is honoured by the model: what comes is turned at its length.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from titer.core.nouns import Card, Standing
from titer.core.wire import Reply, Request, Transform

Floats = npt.NDArray[np.float64]

#: Components of a vector that is turned; served models have at most 16,384.
MAX_COMPONENTS = 65_536
#: Vectors of one reply; OpenAI's route takes 2,048 inputs.
MAX_VECTORS = 16_384
#: Maps remembered (organisation, length); each takes three signs a component.
MAX_MAPS = 256
ROUNDS = 3

#: What the key is derived for, from the operator's secret.
PURPOSE = "embeddings"

#: (above this strength, significant digits of the largest component that are left).
_DIGITS = ((0.75, 2), (0.5, 2), (0.25, 3))
#: Noise as a share of a vector's length: at the strength where it begins, and at 1.
NOISE_FROM, NOISE_LEAST, NOISE_MOST = 0.75, 0.01, 0.05


class Turn:
    """One organisation's map for vectors of one length."""

    def __init__(self, key: bytes, subject: str, length: int) -> None:
        seed = hmac.digest(key, f"turn\x00{length}\x00{subject}".encode(), hashlib.sha256)
        bits = np.unpackbits(_stream(seed, ROUNDS * length // 8 + 1))[: ROUNDS * length]
        self._signs = (1.0 - 2.0 * bits.reshape(ROUNDS, length)).astype(np.float64)
        self._block = 1 << (length.bit_length() - 1)

    def __call__(self, vectors: Floats) -> Floats:
        """Rows turned; lengths and inner products are kept to float precision."""
        out = vectors.astype(np.float64)
        for signs in self._signs:
            out *= signs
            _hadamard(out[:, : self._block])
            if self._block < out.shape[1]:
                _hadamard(out[:, -self._block :])
        return out


def _stream(seed: bytes, size: int) -> npt.NDArray[np.uint8]:
    """`size` bytes that follow from a seed (SHAKE-256)."""
    return np.frombuffer(hashlib.shake_256(seed).digest(size), np.uint8)


def _hadamard(block: Floats) -> None:
    """Normalised Walsh-Hadamard transform of rows, in place; their length is a power of two."""
    rows, size = block.shape
    half = 1
    while half < size:
        view = block.reshape(rows, size // (2 * half), 2, half) if block.flags.c_contiguous else (
            np.lib.stride_tricks.as_strided(
                block, (rows, size // (2 * half), 2, half),
                (block.strides[0], 2 * half * block.strides[1], half * block.strides[1],
                 block.strides[1]),
            )
        )  # fmt: skip
        low = view[:, :, 0].copy()
        view[:, :, 0] += view[:, :, 1]
        np.subtract(low, view[:, :, 1], out=view[:, :, 1])
        half *= 2
    block /= np.sqrt(size)


class Embeddings:
    """The mitigation. `key` makes the maps; whoever has it can undo them."""

    card = Card(
        name="embeddings",
        version="1",
        technique="AML.T0024.002",
        measures="turns vectors by an orthogonal map of the organisation, rounds them, adds "
        "noise at high strength",
        blind_to="copies made inside one organisation, which the map does not disturb; pairs of a "
        "turned and an unturned vector of one text, d of which give the map away",
        benign_causes="an index built before the dose: its vectors do not fit until it is built "
        "again, unless everybody is always turned",
        cost="0.3 ms a reply of one vector of 1,536, 0.13 ms each of many; holds nothing back",
        lifecycle="calibrated",
        apart=True,
    )

    def __init__(self, key: bytes = bytes(32)) -> None:
        self._key = key
        self._maps: OrderedDict[tuple[str, int], Turn] = OrderedDict()

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """Requests pass as they are: `dimensions` and `encoding_format` are the model's."""
        del strength, standing
        return request

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        if strength <= 0:
            return None
        return _Turning(self, standing.subject, strength)

    def turned(self, subject: str, strength: float, vectors: Floats) -> Floats:
        """Rows as this organisation gets them at a strength."""
        length = vectors.shape[1]
        turn = self._maps.get((subject, length))
        if turn is None:
            turn = self._maps[subject, length] = Turn(self._key, subject, length)
            if len(self._maps) > MAX_MAPS:
                self._maps.popitem(last=False)
        else:
            self._maps.move_to_end((subject, length))
        out = turn(vectors)
        if strength > NOISE_FROM:
            out = out + self._noise(subject, strength, out)
        digits = next((n for above, n in _DIGITS if strength > above), 0)
        return coarse(out, digits) if digits else out

    def _noise(self, subject: str, strength: float, vectors: Floats) -> Floats:
        """Noise of a share of each vector's length; the same vector always gets the same, so that
        asking again averages nothing away.
        """
        share = NOISE_LEAST + (NOISE_MOST - NOISE_LEAST) * (strength - NOISE_FROM) / (
            1.0 - NOISE_FROM
        )
        out = np.empty_like(vectors)
        for at, row in enumerate(vectors):
            length = float(np.linalg.norm(row))
            # A tenth of a percent: engines do not give the same last digits twice.
            name = np.round(row / (length or 1.0), 3) + 0.0
            message = subject.encode() + b"\x00" + name.astype("<f4").tobytes()
            seed = hmac.digest(self._key, b"noise\x00" + message, hashlib.sha256)
            draw = np.random.Generator(np.random.PCG64(int.from_bytes(seed[:16], "big")))
            noise = draw.standard_normal(len(row))
            out[at] = noise * (share * length / (np.linalg.norm(noise) or 1.0))
        return out


def coarse(vectors: Floats, digits: int) -> Floats:
    """Each row in steps of 10^-digits of its largest component, rounded to the nearest."""
    most = np.abs(vectors).max(axis=1, keepdims=True)
    step = 10.0 ** (np.ceil(np.log10(np.where(most > 0, most, 1.0))) - digits)
    return np.asarray(np.round(vectors / step) * step, np.float64)


class _Turning:
    """At work on one reply: bodies of the embeddings route, and what looks like one."""

    held = 0

    def __init__(self, owner: Embeddings, subject: str, strength: float) -> None:
        self._owner = owner
        self._subject = subject
        self._strength = strength

    def feed(self, unit: Reply) -> Iterable[Reply]:
        if b"embedding" in unit.raw or b"\\u" in unit.raw:
            rows = list(_rows(unit.data))
            by_length: dict[int, list[tuple[dict[str, Any], Floats, bool]]] = {}
            for row in rows:
                vector, packed = _vector(row["embedding"])
                if vector is not None:
                    by_length.setdefault(len(vector), []).append((row, vector, packed))
            for same in by_length.values():
                self._turn(same)
                unit.edited = True
        return (unit,)

    def flush(self) -> Iterable[Reply]:
        return ()

    def _turn(self, same: list[tuple[dict[str, Any], Floats, bool]]) -> None:
        stack = np.stack([vector for _, vector, _ in same])
        with np.errstate(over="ignore", invalid="ignore"):
            turned = self._owner.turned(self._subject, self._strength, stack).astype("<f4")
        for (row, _, packed), small in zip(same, turned, strict=True):
            if not np.isfinite(small).all():  # larger than float32: no embedding
                continue
            if packed:
                row["embedding"] = base64.b64encode(small.tobytes()).decode()
            else:
                row["embedding"] = [float(f"{value:.9g}") for value in small]


def _rows(data: Any) -> Iterable[dict[str, Any]]:
    """Objects with a vector: OpenAI's `data`, or SGLang's own reply, one or several."""
    if type(data) is dict:
        inner = data.get("data")
        found = inner if type(inner) is list else [data]
    else:
        found = data if type(data) is list else []
    rows = [r for r in found if type(r) is dict and "embedding" in r]
    return rows[:MAX_VECTORS]


def _vector(value: Any) -> tuple[Floats | None, bool]:
    """A vector as numbers, and whether it came packed in base64 (float32, little-endian)."""
    packed = type(value) is str
    if packed:
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return None, True
        if not raw or len(raw) % 4 or len(raw) > 4 * MAX_COMPONENTS:
            return None, True
        found = np.frombuffer(raw, "<f4").astype(np.float64)
    elif (
        type(value) is list
        and 0 < len(value) <= MAX_COMPONENTS
        and all(type(v) is float or type(v) is int for v in value)
    ):
        found = np.array(value, np.float64)
    else:
        return None, False
    return (found, packed) if bool(np.isfinite(found).all()) else (None, packed)
