from __future__ import annotations

import numpy as np
import pytest

from titer.audit.judge import Key
from titer.audit.plan import Material, Plan, PlannedKey, Target
from titer.audit.texts import Text
from titer.lab.radioactive.language import Language
from titer.lab.radioactive.writing import write
from titer.marks.kgw import Kgw

SCHEME = Kgw(width=1, gamma=0.25, delta=2.0)


class Bench:
    """An artificial language, texts in it, and plans about it."""

    def __init__(self) -> None:
        self.language = Language(seed=1, vocabulary=128, followers=16)
        self.words = self.language.words

    def texts(self, count: int, *, seed: int, key: int | None = None, length: int = 40):
        rng = np.random.default_rng(seed)
        begin = [np.array([i % 128], np.uint32) for i in range(count)]
        keys = None if key is None else [key] * count
        ids = write(self.language, begin, length, rng, planter=SCHEME, keys=keys)
        return [Text(self.words.text(row.tolist())) for row in ids]

    def key(self, value: int = 77, *, account: str = "acct", logged=()) -> Key:
        planned = PlannedKey(
            account=account, epoch=0, commitment="00" * 32, entry=0, at=1, scheme="kgw",
            parameters=SCHEME.parameters,
            logged=Material("11" * 32, len(logged)) if logged else None,
        )  # fmt: skip
        return Key(planned, value, SCHEME, tuple(logged))

    def plan(self, **changed) -> Plan:
        fields = {
            "suspect": Target(name="rival", url="http://127.0.0.1:1/v1", model="m"),
            "tokenizer": self.words.fingerprint,
            "keys": (self.key().planned,),
            "statistics": ("closed",),
            "prompts": Material("22" * 32, 30),
            "controls": Material("33" * 32, 120),
            "requests": 1000,
            "tokens": 1_000_000,
            "max_tokens": 40,
            "sentinels": 3,
        }
        return Plan(**(fields | changed))


@pytest.fixture(scope="session")
def bench():
    return Bench()
