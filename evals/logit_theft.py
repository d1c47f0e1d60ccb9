"""Logit theft against an emulated last layer, with the parameter policy off and on.

    python evals/logit_theft.py            # writes evals/logit_theft.json, about three minutes

The model is what such an attack sees of one: a random output matrix W (vocabulary x hidden) and
a random final state per prompt, logits scaled to a standard deviation of 3. The API answers with
top-k log-probabilities *after* the bias, as providers did until March 2024. Attacks:

* `top-k`: raise k - 1 ids and a reference by the same large bias, read their differences, until
  the whole logit vector of a prompt is known; the rank of many such vectors is the hidden size
  (Carlini et al., arXiv 2403.06634, sections 4 and 5).
* `bisection`: no log-probabilities; the bias at which an id overtakes the top one is its logit
  gap (openlogprobs). The adaptive attacker under policy: it knows step, clamp and budget, asks
  for exactly the ids that it may, and fills clamped gaps with the clamp.

Every request passes the real `ParameterPolicy`, the reply its real rounding, the facts the real
detector, whose calibration is fitted on an honest crowd of our own making (stated below).
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import msgspec
import numpy as np

from titer.core.bits import average_bits
from titer.core.errors import Refused
from titer.core.nouns import Exchange, Principal, RequestFacts, Standing
from titer.core.wire import Reply, Request
from titer.detect.bias_ledger import BiasLedger
from titer.detect.calibration import fit
from titer.detect.parameter_policy import ParameterPolicy, PolicyConfig
from titer.detect.parameters import Parameters
from titer.gateway.dialects import fields
from titer.respond.ladder import default_ladder, met
from titer.respond.logprobs import Logprobs, rounding

SEEDS = (11, 12, 13)
VOCABULARY = 2000
K = 5
MINUTE = 60_000_000
#: Sources that a standing averages: three detectors and the hunt.
SOURCES = 4


class Api:
    """An emulated server behind the gateway's policy; counts what reaches it."""

    def __init__(self, seed, hidden, *, policy, calibration, ladder=False):
        rng = np.random.default_rng(seed)
        self.weights = rng.normal(size=(VOCABULARY, hidden)) * (3 / hidden**0.5)
        self.states = {}
        self.rng, self.hidden = rng, hidden
        self.policy, self.ledger = policy, BiasLedger()
        self.detector = Parameters()
        self.calibration = calibration
        if calibration is not None:
            (self.detector,) = calibration.fit_detectors((self.detector,))
        self.state = self.detector.start()
        self.queries = self.refused = 0
        self.first_finding = self.first_dose = None
        self.score = self.bits = 0.0
        self.ladder = ladder

    def logits(self, prompt):
        if prompt not in self.states:
            self.states[prompt] = self.weights @ self.rng.normal(size=self.hidden)
        return self.states[prompt]

    def ask(self, prompt, bias, *, logprobs):
        """(top token, {token: logprob} or None) after the bias that was served; None: refused."""
        self.queries += 1
        body = {"model": "m", "messages": [], "max_tokens": 1, "temperature": 0,
                "logit_bias": {str(t): b for t, b in bias.items()}}  # fmt: skip
        if logprobs:
            body |= {"logprobs": True, "top_logprobs": K}
        served, decimals, denied = body, None, ()
        refused = False
        if self.policy is not None:
            request = Request(dialect="openai.chat", endpoint="/x", body=body, raw=b"{}")
            try:
                applied = self.policy.apply(request, RequestFacts(), (), self.ledger, "org")
                request, decimals = applied.request, applied.decimals
                if self.ladder:
                    request = self._dose(request)
                served = request.body
                denied = applied.denied
            except Refused:
                refused = True
            self._weigh(body, denied, 403 if refused else 200)
        if refused:
            self.refused += 1
            return None
        return self._answer(prompt, served, decimals)

    def _answer(self, prompt, served, decimals):
        scores = self.logits(prompt).copy()
        for token, value in served.get("logit_bias", {}).items():
            scores[int(token)] += value
        if not served.get("logprobs"):
            return int(scores.argmax()), None
        top = np.argpartition(-scores, K)[:K]
        peak = scores.max()
        norm = peak + np.log(np.exp(scores - peak).sum())
        entries = [{"token": str(t), "logprob": float(scores[t] - norm)} for t in top]
        data = {"choices": [{"logprobs": {"content": [{"top_logprobs": entries}]}}]}
        if decimals is not None:
            unit = Reply(raw=msgspec.json.encode(data), data=data)
            (unit,) = rounding(decimals).feed(unit)
            held = unit.data["choices"][0]["logprobs"]
            entries = held["content"][0]["top_logprobs"] if held else []
        return int(scores.argmax()), {int(e["token"]): e["logprob"] for e in entries} or None

    def _dose(self, request):
        """What the default ladder's mitigations make of a request, but for waiting times."""
        standing = Standing("org", bits=self.bits)
        decision = LADDER.decide(standing, 0, None)
        if decision is not None:  # who biases, uses what the rung is about
            decision = met(decision, ("logit_bias",), 0)
        for dose in decision.doses if decision is not None else ():
            if dose.mitigation == "logprobs":
                request = Logprobs().request(request, dose.strength, standing)
        return request

    def _weigh(self, body, denied, status):
        facts = RequestFacts(params=fields.params(body), denied=denied, biased=fields.biased(body))
        # six requests a minute: slow enough for any rate limit
        at = self.queries * MINUTE // 6
        exchange = Exchange(f"e{self.queries}", at, Principal("a", "org"), "/x", request=facts,
                            status=status)  # fmt: skip
        self.state, found = self.detector.step(self.state, exchange)
        for finding in found:
            self.score = finding.score
            self.first_finding = self.first_finding or self.queries
            bits = self.calibration.bits("parameters", finding.score)
            self.bits = average_bits([bits], SOURCES)
            if self.bits >= DOSED_AT:
                self.first_dose = self.first_dose or self.queries


LADDER = default_ladder(shadow=False)
#: Bits that a lone reader of logits needs for its first dose.
DOSED_AT = next(max(rung.at, rung.alone) for rung in LADDER.rungs if rung.give)


def honest(seed, subjects):
    """Ten days of organisations that use logit_bias as people do, most of them not at all."""
    rng = random.Random(seed)
    log = []
    for number in range(subjects):
        kind = rng.random()
        who = Principal(f"h{number}", f"h{number}")
        for i in range(rng.randint(20, 60)):
            ids, params, denied = (), {"temperature": 0.7}, ()
            if kind < 0.10:  # classifier; a task has 2 to 8 labels, a subject 1 to 6 tasks
                task = random.Random(f"{number} {rng.randrange(1 + number % 6)}")
                ids = tuple(task.sample(range(VOCABULARY), task.randint(2, 8)))
                params = {"max_tokens": 1, "logprobs": number % 2 == 0}
            elif kind < 0.16:  # a ban list that grows now and then
                ids = tuple(range(number % 50, number % 50 + 40 + i // 15))
            elif kind < 0.22:  # evaluation harness
                params, denied = {"max_tokens": 1, "logprobs": 5}, ("echo",)
            elif kind < 0.25:  # a vLLM client with its defaults
                denied = ("return_token_ids", "unknown")
            elif kind < 0.255:  # labels made anew for every question: our known benign cause
                ids, params = tuple(rng.sample(range(VOCABULARY), 4)), {"max_tokens": 1}
            at = int(rng.random() * 10 * 24 * 60) * MINUTE
            facts = RequestFacts(params=params, denied=denied, biased=ids)
            log.append(Exchange(f"h{number}-{i}", at, who, "/x", request=facts))
    log.sort(key=lambda e: (e.at, e.id))
    return log


#: Leading singular values in which no gap is looked for.
SKIPPED = 4


def gap_rank(matrix):
    """The rank that a singular-value gap shows, and how large that gap is (a ratio)."""
    values = np.linalg.svd(matrix, compute_uv=False)
    if values[0] == 0:
        return 0, 0.0
    # the first few stand out anyway, and at the ragged end everything does
    values = values[SKIPPED : max(SKIPPED + 2, int(0.95 * len(values)))]
    ratios = values[:-1] / np.maximum(values[1:], 1e-9 * values[0])
    at = int(ratios.argmax())
    return at + 1 + SKIPPED, float(ratios[at])


def top_k_attack(api, prompts, most):
    """Whole logit vectors, K - 1 ids and a reference at a time. Stops when nothing comes back."""
    rows = []
    for prompt in range(prompts):
        known = np.zeros(VOCABULARY)
        for start in range(1, VOCABULARY, K - 1):
            if api.queries >= most:
                return np.array(rows)
            ids = [0, *range(start, min(start + K - 1, VOCABULARY))]
            answer = api.ask(prompt, dict.fromkeys(ids, 60.0), logprobs=True)
            if answer is None or answer[1] is None:
                if api.queries > 2000:
                    return np.array(rows)
                continue
            for token in ids[1:]:
                known[token] = answer[1].get(token, 0.0) - answer[1].get(0, 0.0)
        rows.append(known)
    return np.array(rows)


def bisection_attack(api, prompts, ids, most, *, high, step, cover=False):
    """Gaps of `ids` to the top id, to one step; each costs log2(high / step) queries.

    With `cover` every request names all ids, all but one with a bias of 0.
    """
    rows = []
    cover = dict.fromkeys(ids, 0.0) if cover else {}
    for prompt in range(prompts):
        top, _ = api.ask(prompt, {0: 0.0}, logprobs=False) or (None, None)
        row = []
        for token in ids:
            if api.queries >= most:
                return np.array(rows)
            if token == top:
                row.append(0.0)
                continue
            low, up = 0, round(high / step)
            while up - low > 1:
                middle = (low + up) // 2
                answer = api.ask(prompt, {**cover, token: middle * step}, logprobs=False)
                if answer is None:
                    return np.array(rows)
                if answer[0] == token:
                    up = middle
                else:
                    low = middle
            row.append(-(low + 0.5) * step)
        rows.append([gap - row[0] for gap in row[1:]])  # without the top id's own logit
    return np.array(rows)


def case(name, seed, hidden, config, *, calibration, attack, ladder=False, **more):
    """One attack on one model; the figures that the JSON holds."""
    policy = ParameterPolicy(config) if config is not None else None
    api = Api(seed, hidden, policy=policy, calibration=calibration, ladder=ladder)
    matrix = attack(api, **more)
    rank, ratio = (
        gap_rank(matrix) if matrix.ndim == 2 and min(matrix.shape) > 2 * SKIPPED else (0, 0.0)
    )
    return {
        "case": name,
        "seed": seed,
        "hidden": hidden,
        "policy": "off" if config is None else "on",
        "ladder_in_force": ladder,
        "biased_per_org": None if config is None else config.biased_per_org,
        "queries": api.queries,
        "refused": api.refused,
        "vectors": len(matrix),
        "ids_per_vector": int(matrix.shape[1]) if matrix.ndim == 2 else 0,
        "rank_shown": rank,
        "gap_ratio": round(ratio, 2),
        "hidden_size_recovered": rank == hidden and ratio >= 1.2,
        "score": round(api.score, 2),
        "first_finding_at_query": api.first_finding,
        "dosed_at_query": api.first_dose,
    }


def main(target):
    log = honest(5, 3000)
    calibration = fit([Parameters()], log, seed=5)
    null = calibration.detectors["parameters"]
    other = honest(6, 3000)
    loud = dosed = 0
    (fitted,) = calibration.fit_detectors((Parameters(),))
    states, best = {}, {}
    for exchange in other:
        who = exchange.principal.org
        states[who], found = fitted.step(states.get(who), exchange)
        best.update((who, finding.score) for finding in found)
    for score in best.values():
        bits = average_bits([calibration.bits("parameters", score)], SOURCES)
        loud += 1
        dosed += bits >= DOSED_AT
    on, strict = PolicyConfig(), PolicyConfig(biased_per_org=32)
    most = 1_000_000
    cases = []
    for seed in SEEDS:

        def add(name, hidden, config, attack, seed=seed, **more):
            known = calibration if config is not None else None
            found = case(name, seed, hidden, config, calibration=known, attack=attack, **more)
            cases.append(found)
            print(json.dumps(found), file=sys.stderr, flush=True)

        coarse = {"most": most, "high": 20, "step": 1.0}
        add("top-k", 64, None, top_k_attack, prompts=80, most=most)
        add("top-k", 64, on, top_k_attack, prompts=80, most=most)
        add("bisection", 64, None, bisection_attack, prompts=120, ids=range(1, 121), most=most,
            high=40, step=1e-6)  # fmt: skip
        add("bisection", 64, on, bisection_attack, prompts=250, ids=range(1, 201), **coarse)
        add("bisection", 64, on, bisection_attack, ladder=True, prompts=250, ids=range(1, 201),
            **coarse)  # fmt: skip
        add("bisection", 64, strict, bisection_attack, prompts=400, ids=range(1, 32), **coarse)
        add("bisection", 384, on, bisection_attack, prompts=500, ids=range(1, 300), **coarse)
        add("bisection, all ids", 64, on, bisection_attack, prompts=1, ids=range(1, 2000),
            **coarse)  # fmt: skip
        add("bisection, under cover", 64, on, bisection_attack, prompts=5, ids=range(1, 201),
            cover=True, **coarse)  # fmt: skip
    result = {
        "what": "hidden size from an emulated last layer; see evals/logit_theft.py",
        "vocabulary": VOCABULARY,
        "top_logprobs": K,
        "seeds": SEEDS,
        "honest": {
            "calibration_subjects": null.everyone.n,
            "calibration_most_bits": round(null.most, 2),
            "other_seed_subjects": 3000,
            "with_a_finding": loud,
            "dosed": dosed,
        },
        "dosed_at_bits": DOSED_AT,
        "sources_averaged": SOURCES,
        "cases": cases,
    }
    Path(target).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_suffix(".json"))
