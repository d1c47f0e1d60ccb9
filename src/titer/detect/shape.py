"""Shape: requests are built to take out as much as can be had, and nobody asks back."""

from __future__ import annotations

from titer.core.nouns import Card, Exchange
from titer.detect import slim
from titer.detect.slim import FULL, Bets, Slim
from titer.detect.strata import Glance

TAKING, CEILING, AGAIN = 0, 1, 2
#: Names of the limit on a reply's length, in the dialects.
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
#: A reply is at the ceiling from 19 twentieths of the tokens allowed, when the finish is unknown.
NEARLY = 19 / 20


class State(slim.State):
    """`tag` is of the last content, to know a question that is asked again at once."""

    tag: int = -1


class Shape(Slim):
    """Bets on single questions that bring long replies, replies at the limit, and resampling."""

    card = Card(
        name="shape",
        version="1",
        technique="AML.T0024.002",
        measures="single questions without a follow-up by the share of tokens that flow out, "
        "replies that end at the limit on their length, and several samples of one question "
        "(`n`, or the same content again at once)",
        blind_to="pipelines whose prompts are longer than what they bring; harvests wrapped into "
        "conversations; limits set so high that no reply meets them; samples that are asked for "
        "much later",
        benign_causes="content generation, story writing, evaluation with several samples, "
        "applications with a tight limit on long replies, retries after a time-out",
        cost="about 3 us and 120 bytes a subject",
        lifecycle="draft",
    )
    sides = ("taking", "ceiling", "again")
    drafts = (0.5, 0.2, 0.1)
    aims = (0.6, 0.8, 0.8)
    shape = State

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        worth, usage = seen.worth, exchange.usage
        again = seen.tag == state.tag
        state.tag = seen.tag
        taking = 0
        if seen.single and worth:
            taking = worth * usage.tokens_out // (usage.tokens_in + usage.tokens_out or 1)
        params = exchange.request.params
        if not params:
            return ((TAKING, taking), (AGAIN, worth if again else 0))
        samples = params.get("n")
        if type(samples) is int and samples > 1:
            again = True
        limit = 0
        for name in LIMITS:
            if name in params:
                limit = params[name]
                break
        if type(limit) is not int or limit <= 0:
            return ((TAKING, taking), (AGAIN, worth if again else 0))
        finish = exchange.reply.finish
        full = finish == "length" or (not finish and usage.tokens_out >= limit * NEARLY)
        return (
            (TAKING, taking),
            (CEILING, worth if full else 0),
            (AGAIN, worth if again else 0),
        )

    def note(self, state: State) -> str:
        shares = [
            round(100 * gain / FULL / max(1, trial))
            for gain, trial in zip(state.gains, state.trials, strict=True)
        ]
        return (
            f"of the yield that {state.seen} requests could have had, {shares[TAKING]} % came "
            f"from single questions, {shares[CEILING]} % of limited replies were cut at the "
            f"limit, {shares[AGAIN]} % were one more sample of the same question"
        )
