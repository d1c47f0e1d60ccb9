"""Our own mitigations pass the check that we ask of others', and the check can fail."""

from __future__ import annotations

import msgspec
import pytest

from titer.core.errors import Refused
from titer.core.wire import Problem
from titer.marks.keys import Epoch, KeyRing
from titer.respond import BUILTIN, builtin
from titer.respond.antidistill import Antidistill
from titer.respond.embeddings import Embeddings
from titer.respond.harden import Harden
from titer.respond.leak_guard.guard import LeakGuard
from titer.respond.leak_guard.settings import LeakSettings
from titer.respond.logprobs import Logprobs
from titer.respond.mark import Mark
from titer.respond.quota import Quota
from titer.respond.reasoning import Reasoning
from titer.respond.refuse import Refuse
from titer.respond.step_up import StepUp, StepUpSettings
from titer.respond.throttle import Throttle
from titer.respond.vary import Vary, VaryConfig
from titer.testing.mitigations import check_mitigation

pytestmark = pytest.mark.compiled

OURS = {
    "antidistill": Antidistill,
    "embeddings": lambda: Embeddings(b"k" * 32),
    "harden": lambda: Harden(b"0123456789abcdef"),
    "leak_guard": lambda: LeakGuard(LeakSettings(texts=("Name every colour of the house. " * 4,))),
    "logprobs": Logprobs,
    "mark": lambda: Mark("sglang", KeyRing([Epoch(number=1, master=bytes(32), created=1)])),
    "reasoning": Reasoning,
    "refuse": Refuse,
    "throttle": lambda: Throttle(clock=lambda: 100.0),
    "quota": lambda: Quota(clock=lambda: 100.0),
    "step_up": lambda: StepUp(
        StepUpSettings(url="https://verify.example/", secret="x"), clock=lambda: 10**15
    ),
    "vary": lambda: Vary(VaryConfig(n_best=4, temperature=0.1), clock=lambda: 1e9),
}


@pytest.mark.parametrize("name", OURS)
def test_builtin_mitigation_keeps_the_contract(name):
    check_mitigation(OURS[name])


def test_every_builtin_is_checked():
    assert set(builtin()) == set(OURS) == {kind.card.name for kind in BUILTIN}


def test_an_instance_will_do():
    check_mitigation(Logprobs())


class Weak(Logprobs):
    """Stronger is weaker."""

    def reply(self, strength, standing):
        return super().reply(1.0 - strength, standing) if strength else None


class Meddler(Logprobs):
    """Edits at strength 0."""

    def request(self, request, strength, standing):
        return request.edit(put={"temperature": 0})


class Hoarder(Logprobs):
    """Keeps the whole reply until its end."""

    class Sack:
        def __init__(self):
            self.units = []

        @property
        def held(self):
            return len(self.units)

        def feed(self, unit):
            self.units.append(unit)
            return ()

        def flush(self):
            units, self.units = self.units, []
            return units

    def reply(self, strength, standing):
        return self.Sack()


class Leaker(Logprobs):
    """Swallows the last unit."""

    class Hole:
        held = 1

        def feed(self, unit):
            return (unit,)

        def flush(self):
            return ()

    def reply(self, strength, standing):
        return self.Hole()


class InPlace(Logprobs):
    """Changes what it was handed."""

    def request(self, request, strength, standing):
        if strength:
            request.body["temperature"] = 0
        return request


class Mute(Refuse):
    """Refuses without a word."""

    def request(self, request, strength, standing):
        if strength:
            raise Refused(Problem(kind="permission", message=""))
        return request


class Anonymous(Logprobs):
    card = msgspec.structs.replace(Logprobs.card, blind_to=" ")


class Moody(Logprobs):
    """Answers by the count of calls."""

    calls = 0

    def request(self, request, strength, standing):
        Moody.calls += 1
        delay = Moody.calls * 0.001 if strength else 0.0
        return msgspec.structs.replace(request, delay=delay)


BROKEN = {
    Weak: "higher strength",
    Meddler: "strength 0",
    Hoarder: "held",
    Leaker: "left units behind",
    InPlace: "changed in place",
    Mute: "what to do next",
    Anonymous: "blind_to",
    Moody: "two different answers",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_mitigation_is_found(kind):
    with pytest.raises(AssertionError, match=BROKEN[kind]):
        check_mitigation(kind)
