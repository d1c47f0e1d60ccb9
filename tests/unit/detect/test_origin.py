"""Positive and negative vectors for `origin`, from facts alone, under a calibration of a crowd."""

import random

import msgspec
import pytest

from titer.core.nouns import Exchange, Origin, Principal, ReplyFacts, Sketch, Usage
from titer.detect import origin as module
from titer.detect.calibration import fit
from titer.detect.origin import Origin as Detector

DAY = 86_400_000_000
SDK = ("OpenAI/Python", "11" * 8, "t13d-python")
NODE = ("node", "22" * 8, "t13d-node")
CURL = ("curl/8.14.1", "33" * 8, "t13d-curl")
BROWSER = ("Mozilla/5.0", "44" * 8, "t13d-chrome")


def exchange(who, number, *, asn=0, net="", kind="", software=SDK, status=200):
    agent, headers, ja4 = software
    return Exchange(
        f"{who}-{number}",
        number * DAY // 40,
        Principal(who),
        "/v1/chat/completions",
        "model",
        origin=Origin(
            ip=f"{asn}-{net}-ip", net=net, asn=asn, kind=kind,
            agent=agent, headers=headers, ja4=ja4,
        ),
        sketch=Sketch((1,), (2,), number, 100),
        usage=Usage(50, 400),
        reply=ReplyFacts(finish="stop"),
        status=status,
    )  # fmt: skip


def home(rng, who, number, **more):
    """Home, office and telephone: three networks, told apart by their numbers."""
    asn = rng.choices((7000, 7001, 7002), (6, 3, 1))[0] + 10 * (sum(who.encode()) % 40)
    return exchange(who, number, asn=asn, net=f"n{asn}-{rng.randrange(4)}", **more)


def serverless(rng, who, number, **more):
    """Functions in one cloud: hundreds of addresses, one network number."""
    return exchange(who, number, asn=14618, net=f"c{rng.randrange(900)}", kind="hosting", **more)


def traveller(rng, who, number, **more):
    """A company VPN one time in three, otherwise a home."""
    if rng.random() < 0.33:
        return exchange(who, number, asn=9009, net="vpn", kind="vpn", **more)
    return home(rng, who, number, **more)


def crowd(seed, size=300):
    rng = random.Random(seed)
    log = []
    for index in range(size):
        how = rng.choices((home, serverless, traveller), (50, 45, 5))[0]
        software = rng.choice((SDK, SDK, NODE, CURL))
        if rng.random() < 0.1:
            software = (f"app-{index}/1.{index}", *SDK[1:])
        for number in range(rng.randrange(12, 60)):
            log.append(how(rng, f"{how.__name__}-{seed}-{index}", number, software=software))
    return log


@pytest.fixture(scope="module")
def calibration():
    listed = ("hosting", "vpn", "proxy", "tor")
    return fit([Detector().informed(listed=listed)], crowd(1), seed=1)


@pytest.fixture(scope="module")
def detector(calibration):
    (fitted,) = calibration.fit_detectors([Detector()])
    return fitted


def run(detector, log):
    state, found = detector.start(), []
    for item in log:
        state, findings = detector.step(state, item)
        found += findings
    return found


def bits(calibration, found):
    return calibration.bits("origin", found[-1].score) if found else 0.0


def test_hosting_is_what_honest_programs_use_and_tor_is_not(detector):
    worth = detector._worth
    assert worth["hosting"] == 0
    assert 0 < worth["vpn"] < worth["tor"]
    assert worth["residential"] == 0


def test_kinds_that_calibration_could_not_see_are_worth_nothing():
    """Data that were imported later must not accuse all who run in hosting."""
    blind = [msgspec.structs.replace(e, origin=msgspec.structs.replace(e.origin, kind=""))
             for e in crowd(1)]  # fmt: skip
    made = fit([Detector()], blind, seed=1)
    (detector,) = made.fit_detectors([Detector()])
    assert set(detector._worth.values()) == {0}
    for kind in module.KINDS:
        log = [exchange("a", n, asn=14618, net="x", kind=kind) for n in range(300)]
        assert not run(detector, log)


def test_tor_is_noticed(calibration, detector):
    found = run(detector, [exchange("a", n, asn=60729, net="t", kind="tor") for n in range(60)])
    assert bits(calibration, found) > 4
    assert "masking networks had" in found[-1].note


def test_a_pool_of_proxies_is_noticed(calibration, detector):
    rng = random.Random(3)
    log = [exchange("a", n, asn=rng.randrange(1000, 60_000), net=f"p{n}") for n in range(60)]
    found = run(detector, log)
    assert bits(calibration, found) > 4
    assert "came from another network than the last 6" in found[-1].note


@pytest.mark.parametrize("software", [("Mozilla/5.0", *SDK[1:]), ("curl/8.15.0", *NODE[1:])])
def test_a_name_that_is_not_its_softwares_is_noticed(calibration, detector, software):
    rng = random.Random(4)
    found = run(detector, [home(rng, "a", n, software=software) for n in range(60)])
    assert bits(calibration, found) > 4
    assert "100 % had a user agent that is not their software's" in found[-1].note


@pytest.mark.parametrize(
    "software",
    [BROWSER, ("curl/9.0.0", *CURL[1:]), ("acme-chat/3.1", *SDK[1:]), ("OpenAI/Python", "99", ""),
     ("", "", "")],
    ids=["unknown browser", "new version", "name of its own", "new library", "nothing"],
)  # fmt: skip
def test_what_is_not_known_accuses_nobody(detector, software):
    rng = random.Random(5)
    assert not run(detector, [home(rng, "a", n, software=software) for n in range(200)])


def test_a_serverless_caller_with_many_addresses_is_quiet(detector):
    rng = random.Random(6)
    log = [serverless(rng, "a", n) for n in range(300)]
    assert len({item.origin.net for item in log}) > 200
    assert not run(detector, log)


@pytest.mark.parametrize(("how", "most"), [(home, 1), (traveller, 16)])
def test_people_at_home_and_on_the_road_earn_little(calibration, detector, how, most):
    """Travellers are 1 in 20 of the crowd: 4 bits may be reached by 1 in 16 of all."""
    rng = random.Random(7)
    logs = [[how(rng, f"a{who}", n) for n in range(58)] for who in range(40)]
    assert sum(bits(calibration, run(detector, log)) >= 4 for log in logs) <= most


def test_honest_callers_of_another_seed_stay_below_their_bits(calibration, detector):
    by_subject = {}
    for item in crowd(2):
        by_subject.setdefault(item.principal.id, []).append(item)
    reached = sum(bits(calibration, run(detector, log)) >= 5 for log in by_subject.values())
    assert reached <= 20  # of 300, 1 in 32 may, give or take chance


def test_without_network_data_blocks_of_addresses_are_compared(calibration, detector):
    same = run(detector, [exchange("a", n, net="one") for n in range(200)])
    assert not same
    many = run(detector, [exchange("a", n, net=f"n{n}") for n in range(200)])
    assert "block of addresses" in many[-1].note


def test_refused_requests_and_unknown_origins_say_nothing(detector):
    assert detector.subject(exchange("a", 1, status=403)) is None
    log = [msgspec.structs.replace(exchange("a", n), origin=Origin()) for n in range(200)]
    assert not run(detector, log)


def test_a_kind_that_nobody_knows_counts_as_unknown(detector):
    log = [exchange("a", n, asn=1, net="x", kind="moon") for n in range(100)]
    assert not run(detector, log)


def test_old_network_data_are_said(detector):
    log = [exchange("a", n, asn=60729, net="t", kind="tor") for n in range(60)]
    stale = detector.informed(-100 * DAY + 1)
    found = run(stale, log)
    assert "days old" in found[-1].note
    assert found[-1].score == run(detector, log)[-1].score
    assert "days old" not in run(detector.informed(1), log)[-1].note
    assert "days old" not in run(detector, log)[-1].note


def test_a_state_is_small(detector):
    rng = random.Random(8)
    for one, most in ((detector, 150), (Detector(), 200)):
        state = one.start()
        for number in range(300):
            state, _ = one.step(state, traveller(rng, "a", number, software=BROWSER))
        state.cites = []
        assert len(msgspec.msgpack.encode(state)) <= most


def test_what_a_single_subject_shows_is_not_known():
    learnt = Detector()
    states = []
    for who in ("a", "b"):
        state = learnt.start()
        for number in range(20):
            state, _ = learnt.step(state, exchange(who, number, asn=1, net="x"))
        states.append(state)
    params = learnt.learn(states)
    assert params["software"] == []
    assert len(params["worth"]) == len(module.KINDS)
