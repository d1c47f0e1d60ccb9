from __future__ import annotations

import base64
import os

import pytest

from titer.core.contracts import Unavailable
from titer.core.errors import Refused
from titer.core.nouns import Standing
from titer.core.wire import Request
from titer.respond.step_up import SKEW_US, Nonces, StepUp, StepUpSettings, check_url

NOW = 1_800_000_000_000_000
REQUEST = Request(dialect="openai.chat", endpoint="/x", body={}, raw=b"{}")
SETTINGS = StepUpSettings(url="https://verify.example/go?from=titer", secret="s3cret", nonce_s=600)


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def refused(step_up, standing):
    with pytest.raises(Refused) as caught:
        step_up.request(REQUEST, 1.0, standing)
    return caught.value.problem


def nonce_of(problem):
    return dict(problem.headers)["titer-step-up"].partition("nonce=")[2]


def test_the_caller_is_sent_to_the_operator_with_a_nonce_of_its_own(tmp_path):
    clock = Clock()
    step_up = StepUp(SETTINGS, key=b"k" * 32, directory=tmp_path, clock=clock)
    problem = refused(step_up, Standing("subject-1"))
    assert (problem.kind, problem.code) == ("permission", "verification_required")
    url = dict(problem.headers)["titer-step-up"]
    assert url.startswith("https://verify.example/go?from=titer&nonce=")
    assert url in problem.message and "10 minutes" in problem.message
    assert step_up.nonces.read(nonce_of(problem), clock.now) == "subject-1"
    assert step_up.request(REQUEST, 0.0, Standing("subject-1")) is REQUEST


def test_a_verified_subject_passes_until_its_verification_ends():
    clock = Clock()
    step_up = StepUp(SETTINGS, clock=clock)
    verified = Standing("a", verified=NOW + 5)
    assert step_up.request(REQUEST, 1.0, verified) is REQUEST
    step_up.vouch("b", NOW + 5)
    assert step_up.request(REQUEST, 1.0, Standing("b")) is REQUEST
    clock.now = NOW + 5
    for standing in (verified, Standing("b")):
        assert refused(step_up, standing).code == "verification_required"


def flipped(nonce):
    raw = bytearray(base64.urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4)))
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1
        yield base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("=")


def test_no_bit_of_a_nonce_may_change():
    nonces = Nonces(b"k" * 32, None, lasts_s=600)
    nonce = nonces.make("subject-1", NOW)
    for changed in flipped(nonce):
        with pytest.raises(ValueError, match="not one of ours"):
            nonces.read(changed, NOW)
    with pytest.raises(ValueError, match="not one of ours"):
        Nonces(b"j" * 32, None, lasts_s=600).read(nonce, NOW)


@pytest.mark.parametrize("odd", ["", "x", "é", "A" * 5000, "====", "\x00", "-_-_", "A" * 32])
def test_hostile_nonces(odd):
    with pytest.raises(ValueError, match="not one of ours"):
        Nonces(b"k" * 32, None, lasts_s=600).read(odd, NOW)


@pytest.mark.parametrize(
    ("later", "good"),
    [(0, True), (600_000_000, True), (600_000_001, False), (-SKEW_US, True),
     (-SKEW_US - 1, False)],
)  # fmt: skip
def test_a_nonce_lasts_and_survives_a_small_step_of_the_clock(later, good):
    nonces = Nonces(b"k" * 32, None, lasts_s=600)
    nonce = nonces.make("s", NOW)
    if good:
        assert nonces.read(nonce, NOW + later) == "s"
    else:
        with pytest.raises(ValueError, match="too old"):
            nonces.read(nonce, NOW + later)


def test_a_nonce_is_good_once_over_all_workers_and_spellings(tmp_path):
    one, two = (Nonces(b"k" * 32, tmp_path / "spent", lasts_s=600) for _ in range(2))
    nonce = one.make("s", NOW)
    assert one.spend(nonce)
    assert not one.spend(nonce)
    assert not two.spend(nonce)
    assert not two.spend(nonce + "=" * (-len(nonce) % 4))
    one.unspend(nonce)
    assert two.spend(nonce)


def test_spent_nonces_are_forgotten_in_time(tmp_path):
    nonces = Nonces(b"k" * 32, tmp_path, lasts_s=600)
    nonces.spend(nonces.make("s", NOW))
    (old,) = tmp_path.iterdir()
    os.utime(old, (1, 1))
    nonces.spend(nonces.make("s", NOW))
    assert not old.exists() and len(list(tmp_path.iterdir())) == 1


def test_a_service_that_is_not_heard_of_is_down(tmp_path):
    settings = StepUpSettings(url="https://v.example/", secret="x", alive_s=60)
    clock = Clock()
    step_up = StepUp(settings, directory=tmp_path, clock=clock)
    with pytest.raises(Unavailable):
        step_up.request(REQUEST, 1.0, Standing("s"))
    step_up.heard()
    clock.now = int((tmp_path / "alive").stat().st_mtime * 1_000_000)
    assert refused(step_up, Standing("s")).code == "verification_required"
    clock.now += 61_000_000
    step_up._look = float("-inf")
    with pytest.raises(Unavailable):
        step_up.request(REQUEST, 1.0, Standing("s"))
    assert not StepUp(SETTINGS, directory=tmp_path, clock=clock).down()


def test_without_a_service_it_is_unavailable():
    with pytest.raises(Unavailable):
        StepUp().request(REQUEST, 1.0, Standing("s"))


def test_the_secret_is_in_no_repr():
    assert "s3cret" not in f"{SETTINGS!r}{SETTINGS}{[SETTINGS]}"


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://a/", "https://", "https://a/#b", "https://a/ b", "https://ä/", "http://[/"],
)
def test_addresses_that_nobody_can_be_sent_to(url):
    with pytest.raises(ValueError, match="url must be"):
        check_url(url)
