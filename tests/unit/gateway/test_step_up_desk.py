from __future__ import annotations

import json

import msgspec
import pytest

from titer.core.nouns import Standing, Verification
from titer.core.wire import Request
from titer.evidence.intake import Intake
from titer.gateway.step_up_desk import Desk
from titer.respond.step_up import StepUp, StepUpSettings

NOW = 1_800_000_000_000_000
SECRET = "the-service"


@pytest.fixture
def stage(tmp_path):
    settings = StepUpSettings(url="https://v.example/", secret=SECRET, verified_s=100)
    step_up = StepUp(settings, key=b"k" * 32, directory=tmp_path / "run", clock=lambda: NOW)
    return step_up, Desk(step_up, tmp_path, lambda: NOW), tmp_path


def say(**words):
    return json.dumps(words).encode()


def waiting(data):
    folder = data / "intake"
    files = sorted(folder.glob("*.entry")) if folder.exists() else []
    return [json.loads(f.read_bytes()) for f in files]


def test_a_verification_is_recorded_once_and_lifts_the_step_up(stage):
    step_up, desk, data = stage
    nonce = step_up.nonces.make("s", NOW)
    assert desk.answer(SECRET, say(nonce=nonce, verified=True))[0] == 200
    (handed,) = waiting(data)
    assert handed["kind"] == "verification"
    said = msgspec.json.decode(handed["body"], type=Verification)
    assert (said.subject, said.until) == ("s", NOW + 100_000_000)
    request = Request(dialect="openai.chat", endpoint="/x", body={}, raw=b"{}")
    assert step_up.request(request, 1.0, Standing("s")) is request
    assert desk.answer(SECRET, say(nonce=nonce, verified=True))[0] == 409
    assert len(waiting(data)) == 1


def test_one_that_was_not_verified_is_recorded_and_lifts_nothing(stage):
    step_up, desk, data = stage
    nonce = step_up.nonces.make("s", NOW)
    assert desk.answer(SECRET, say(nonce=nonce, verified=False))[0] == 200
    (handed,) = waiting(data)
    assert msgspec.json.decode(handed["body"], type=Verification).until == NOW
    assert step_up._vouched == {}


@pytest.mark.parametrize("key", ["", "wrong", SECRET + "x", SECRET[:-1], "ä"])
def test_a_wrong_secret_opens_nothing(stage, key):
    step_up, desk, data = stage
    nonce = step_up.nonces.make("s", NOW)
    assert desk.answer(key, say(nonce=nonce, verified=True))[0] == 401
    assert waiting(data) == [] and not (data / "run").exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"{", 400), (b"{}", 400), (b'{"nonce": 1}', 400),
     (say(nonce="x", verified=True), 410), (say(nonce="x" * 3000, verified=True), 410),
     (say(alive=True), 200), (b"[" * 4000, 400), (b"\xff", 400)],
)  # fmt: skip
def test_what_else_may_come(stage, body, status):
    _, desk, data = stage
    assert desk.answer(SECRET, body)[0] == status
    assert waiting(data) == []


def test_a_nonce_is_not_lost_when_nothing_can_be_recorded(stage, monkeypatch):
    step_up, desk, data = stage
    nonce = step_up.nonces.make("s", NOW)
    real = Intake.hand_over

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Intake, "hand_over", full)
    assert desk.answer(SECRET, say(nonce=nonce, verified=True))[0] == 503
    monkeypatch.setattr(Intake, "hand_over", real)
    assert desk.answer(SECRET, say(nonce=nonce, verified=True))[0] == 200
    assert len(waiting(data)) == 1
