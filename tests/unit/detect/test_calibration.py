"""What a score is worth: bounds, halves, tiers, exclusion, and text that was tampered with."""

import hashlib
import math
from collections import Counter

import msgspec
import pytest

from titer.core.errors import InputError
from titer.core.nouns import Finding, Principal
from titer.detect import BUILTIN, combine
from titer.detect.calibration import FEWEST, SHORTEST, fit, load, transformed
from titer.detect.coverage import Coverage
from titer.detect.frames import Frames
from titer.detect.halves import FOLDS, Log
from titer.testing import population

LOG = population.honest(11, 240)
CALIBRATION = fit(BUILTIN, LOG, seed=4)


def test_the_same_log_gives_the_same_calibration_in_any_form():
    assert fit(BUILTIN, lambda: iter(LOG), seed=4) == CALIBRATION
    assert fit(BUILTIN, LOG, seed=5).id != CALIBRATION.id
    assert CALIBRATION.id.startswith("cal-")


def test_it_says_how_many_bits_it_supports():
    null = CALIBRATION.detectors["frames"]
    assert null.fitted + null.everyone.n == 240
    assert 120 < null.everyone.n < 200
    assert null.most == pytest.approx(math.log2(null.everyone.n + 1))
    assert null.most - 3 < CALIBRATION.bits("frames", 1e12) <= null.most
    assert CALIBRATION.bits("frames", 0.0) == 0.0
    assert CALIBRATION.bits("unheard-of", 1e12) == 0.0


def test_more_score_is_never_fewer_bits():
    bits = [CALIBRATION.bits("coverage", score / 4) for score in range(200)]
    assert bits == sorted(bits)


def test_a_monstrous_honest_subject_costs_one_subject():
    loud = [*LOG, *population.harvester(1)]
    without = fit([Frames()], LOG, seed=4)
    cap = math.log2((without.detectors["frames"].everyone.n + 2) / 2)
    assert fit([Frames()], loud, seed=4).bits("frames", 1e9) >= cap - 1.5


def test_covers_a_detector_in_its_version():
    card = Frames().card
    assert CALIBRATION.covers(card)
    assert not CALIBRATION.covers(msgspec.structs.replace(card, version="2"))
    assert not CALIBRATION.covers(msgspec.structs.replace(card, name="other"))


def test_detectors_come_fitted_to_null_and_horizon():
    fitted = {d.card.name: d for d in CALIBRATION.fit_detectors(BUILTIN)}
    assert fitted["frames"].wager.nulls == CALIBRATION.detectors["frames"].params["nulls"]
    assert {d.horizon for d in fitted.values()} == {CALIBRATION.horizon}
    assert {d.origin for d in fitted.values()} == {CALIBRATION.origin}
    span = LOG[-1].at - LOG[0].at + 1
    assert CALIBRATION.horizon == span


def test_a_detector_that_was_not_calibrated_stays_a_draft():
    only = fit([Frames()], LOG, seed=4)
    coverage = Coverage()
    assert only.fit_detectors([coverage]) == (coverage,)


def test_a_short_log_has_a_horizon_of_an_hour():
    log = [msgspec.structs.replace(x, at=x.at // 10**9) for x in LOG]
    assert fit([Frames()], log, seed=4).horizon == SHORTEST


def test_those_who_are_no_example_are_left_out():
    bad = {x.principal.subject for x in LOG[:50]}
    fewer = fit([Frames()], LOG, seed=4, exclude=bad)
    null = fewer.detectors["frames"]
    assert null.fitted + null.everyone.n == 240 - len(bad)
    granted = [
        msgspec.structs.replace(x, principal=Principal("g", grants=("distillation",)))
        for x in population.harvester(2)
    ]
    assert fit([Frames()], [*LOG, *granted], seed=4) == fit([Frames()], LOG, seed=4)


def test_a_large_tier_is_compared_with_itself(monkeypatch):
    monkeypatch.setattr(combine, "SEGMENT", 200)
    paid = [
        msgspec.structs.replace(
            x, principal=msgspec.structs.replace(x.principal, id="p" + x.principal.id, tier="paid")
        )
        for x in population.honest(12, 60)
    ]
    log = [*population.honest(13, 420), *paid]
    made = fit([Frames()], log, seed=1)
    null = made.detectors["frames"]
    assert list(null.tiers) == list(made.combination.tiers) == ["standard"]
    assert null.tiers["standard"].n == made.combination.tiers["standard"].n >= 200
    assert null.everyone.n > null.tiers["standard"].n


def test_levels_are_quantiles_of_the_fit_half():
    levels = (1.0, 2.0, 4.0)
    assert transformed(0.0, levels) == 0.0
    assert transformed(0.5, levels) == 2.0**-3
    assert transformed(1.5, levels) == 2.0**-3 + 0.5
    assert transformed(3.0, levels) == 2.0**-3 + 0.5 + 2.0
    assert transformed(8.0, levels) > transformed(4.1, levels) > 8.0
    assert transformed(3.0, ()) == 3.0


def test_too_little_is_refused():
    with pytest.raises(InputError, match="no exchange"):
        fit(BUILTIN, [], seed=1)
    with pytest.raises(InputError, match=f"{FEWEST} are needed"):
        fit(BUILTIN, population.honest(1, 12), seed=1)
    with pytest.raises(ValueError, match="share"):
        fit(BUILTIN, LOG, seed=1, share=1.0)


def test_forty_callers_are_enough_however_the_hash_falls():
    """Of 40, a hash that deals them out one by one leaves fewer than 20 to score 1 time in 105."""
    forty = population.honest(1, 2 * FEWEST)
    logs = {seed: Log((), _salt(seed), 1 / 3) for seed in range(400)}
    for log in logs.values():
        for exchange in forty:
            log.tiers.setdefault(exchange.principal.subject, "")
    unlucky = [seed for seed, log in logs.items() if log.scored < FEWEST]
    assert unlucky
    assert fit([Frames()], forty, seed=unlucky[0]).combination.everyone.n == 27
    again = logs[unlucky[0]].dealt()
    again.tiers |= logs[unlucky[0]].tiers
    assert again.scored == 27
    assert {again.fold(subject) for subject in again.tiers} == {None, *range(FOLDS)}


def _salt(seed):
    return hashlib.blake2b(f"titer calibration {seed}".encode(), digest_size=32).digest()


def test_what_is_wrong_with_a_log_is_said():
    one = [msgspec.structs.replace(x, principal=Principal(x.id, "acme")) for x in LOG[:400]]
    with pytest.raises(InputError, match="holds 1 honest subjects"):
        fit(BUILTIN, one, seed=1)
    granted = Principal("g", grants=("distillation",))
    log = [msgspec.structs.replace(x, principal=granted) for x in LOG[:400]]
    with pytest.raises(
        InputError, match="all 400 exchanges of the log are of subjects that are no"
    ):
        fit(BUILTIN, log, seed=1)
    empty = [msgspec.structs.replace(x, status=429) for x in LOG]
    with pytest.raises(InputError, match="is there text in the log"):
        fit([Frames()], empty, seed=1)


def test_the_crowd_is_described():
    crowd = CALIBRATION.crowd
    assert crowd.subjects == 240
    assert 5 < crowd.typical < 40
    assert 0 < crowd.largest < 0.1
    assert crowd.refused == crowd.stray == 0
    whale = [msgspec.structs.replace(x, principal=Principal("whale")) for x in LOG[::2]]
    mixed = [*LOG[1::2], *whale]
    mixed[:100] = [msgspec.structs.replace(x, status=500) for x in mixed[:100]]
    found = fit([Frames()], mixed, seed=4).crowd
    assert found.largest == pytest.approx(0.5, abs=0.01)
    assert found.refused == pytest.approx(100 / len(mixed), abs=1e-3)


def test_a_wrong_clock_does_not_lengthen_the_log():
    years = 40 * 365 * 86_400_000_000
    span = LOG[-1].at - LOG[0].at + 1
    for at in (LOG[0].at - years, LOG[0].at + years):
        made = fit([Frames()], [*LOG, msgspec.structs.replace(LOG[0], id="odd", at=at)], seed=4)
        assert (made.horizon, made.origin, made.crowd.stray) == (span, LOG[0].at, 1)
    quiet = [*LOG, msgspec.structs.replace(LOG[0], id="late", at=LOG[-1].at + 10**6)]
    assert fit([Frames()], quiet, seed=4).crowd.stray == 0


def test_text_is_read_strictly():
    text = CALIBRATION.dump()
    assert load(text) == CALIBRATION
    assert load(text.encode()) == CALIBRATION
    for broken, said in (
        ("{}", "not a calibration"),
        ("[1", "not a calibration"),
        (b"\xff", "not a calibration"),
        (text.replace('"seed": 4', '"seed": 4, "more": 1'), "not a calibration"),
        (text.replace('"seed": 4', '"seed": 9'), "changed"),
        (text.replace("titer.calibration/4", "titer.calibration/3"), "format"),
    ):
        with pytest.raises(InputError, match=said):
            load(broken)


class Stumbles(Frames):
    """Raises at every request of one subject, and at every tenth of others."""

    def step(self, state, exchange):
        if exchange.principal.id.endswith("7") or exchange.id.endswith("0"):
            raise ZeroDivisionError
        return super().step(state, exchange)


def test_a_detector_that_raises_does_not_stop_calibration():
    made = fit([Stumbles(), Coverage()], LOG, seed=4)
    assert made.detectors["coverage"] == CALIBRATION.detectors["coverage"]
    null = made.detectors["frames"]
    assert 200 < null.fitted + null.everyone.n <= 240


class Ceiling(Frames):
    """Scores how far a caller's tokens pass the most that any subject it learnt from took."""

    card = msgspec.structs.replace(Frames().card, name="ceiling")

    def __init__(self, most=1e9):
        super().__init__()
        self.most = most

    def start(self):
        return 0

    def step(self, state, exchange):
        state += exchange.usage.tokens_out
        if state <= self.most:
            return state, ()
        subject = exchange.principal.subject
        over = float(state - self.most)
        return state, (Finding("f", exchange.at, "ceiling@1", subject, "", 0.0, "", over),)

    def learn(self, states):
        return {"most": [max(states, default=0)]}

    def fitted(self, params, *, origin, horizon):
        return Ceiling(*params["most"])


def test_levels_are_of_subjects_that_the_null_was_not_learnt_from():
    """Nobody passes a ceiling that they were measured for; of a fold one may pass the others'."""
    found = fit([Ceiling()], LOG, seed=4).detectors["ceiling"]
    sent: Counter[str] = Counter()
    for exchange in LOG:
        sent[exchange.principal.subject] += exchange.usage.tokens_out
    log = Log((), _salt(4), 1 / 3)
    fits = {s: n for s, n in sent.items() if log.fits(s)}
    assert found.params["most"] == (max(fits.values()),)
    most = {f: max(n for s, n in fits.items() if log.fold(s) != f) for f in range(FOLDS)}
    above = [s for s, n in fits.items() if n > most[log.fold(s)]]
    assert above
    assert found.everyone.base == pytest.approx(math.log2((len(fits) + 1) / (len(above) + 1)))


def test_folds_part_the_fit_half():
    log = Log((), b"salt" * 8, 1 / 3)
    count = Counter(log.fold(f"s{n}") for n in range(4000))
    assert set(count) == {None, *range(FOLDS)}
    assert abs(count[None] / 4000 - 2 / 3) < 0.05
    assert max(count[f] for f in range(FOLDS)) < 1.3 * min(count[f] for f in range(FOLDS))
