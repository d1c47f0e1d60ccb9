"""Part 4: who stands where and why, and what everybody noticed on their side of the wire."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from titer.access.secret import load_or_create
from titer.console.standings import read_view
from titer.console.story import Story
from titer.core.ids import Pseudonyms
from titer.lab.demo.cast import roles, worst_of
from titer.lab.demo.outcome import Facts, Outcome
from titer.lab.events import Account
from titer.lab.player import Played, Seen
from titer.lab.stage import Stage

#: Seconds by which a reply must come later for "slowed" to be said.
SLOWED = 1.0

#: Share of an account's replies, at the end, by which "slowed" is judged.
SLOW_SHARE = 0.25


class Judge:
    """Compares what the log says with what the lab knows; everything lands in `outcome`."""

    def __init__(self, story: Story, stage: Stage, outcome: Outcome, *, model: bool) -> None:
        self._story = story
        self._stage = stage
        self._outcome = outcome
        self._model = model

    def judge(self, accounts: Sequence[Account], played: Played, facts: Facts) -> None:
        story, outcome = self._story, self._outcome
        pseudonym = Pseudonyms(load_or_create(self._stage.data))
        subject = {a.name: pseudonym.of("org", a.org) for a in accounts}
        honest = [a for a in accounts if not a.campaign]
        attackers = [a for a in accounts if a.campaign]
        outcome.honest, outcome.attackers = len(honest), len(attackers)
        outcome.honest_dosed = sum(subject[a.name] in facts.dosed for a in honest)
        outcome.attackers_dosed = sum(subject[a.name] in facts.dosed for a in attackers)
        story.act("Who stands where, and what they got")
        self._show_roles(accounts, played, subject, facts)
        self._explain(worst_of(accounts).org)
        self._enforcement(played)
        self._campaigns(facts, attackers, subject)
        story.check(
            f"{outcome.honest_dosed} of {outcome.honest} honest callers were ever given a dose",
            good=outcome.must(outcome.honest_dosed == 0, "an honest caller was given a dose"),
        )

    def _show_roles(
        self,
        accounts: Sequence[Account],
        played: Played,
        subject: dict[str, str],
        facts: Facts,
    ) -> None:
        bits = {
            row.standing.subject: row.standing.bits for row in read_view(self._stage.data).rows
        }
        rows = []
        for label, group in roles(accounts):
            seen = [played.seen[a.name] for a in group if a.name in played.seen]
            most = max((bits.get(subject[a.name], 0.0) for a in group), default=0.0)
            rows.append(
                (
                    label,
                    str(len(group)),
                    f"{sum(s.sent for s in seen):,}",
                    f"{sum(s.tokens for s in seen):,}",
                    f"{most:.1f}",
                    str(sum(subject[a.name] in facts.dosed for a in group)),
                )
            )
        self._story.table(
            ("who (known to the lab only)", "callers", "requests", "tokens", "most bits", "dosed"),
            rows,
        )

    def _explain(self, org: str) -> None:
        outcome = self._outcome
        told = self._stage.verb("explain", org, "--data", str(self._stage.data))
        outcome.must(told.returncode in {0, 1}, f"titer explain failed: {told.stderr.strip()}")
        self._story.quote(f"titer explain {org} --data DIR", told.stdout.splitlines())

    def _enforcement(self, played: Played) -> None:
        """What the two loud attackers noticed, from their own side of the wire."""
        story, outcome = self._story, self._outcome
        story.say("")
        for thief in played.role("distiller"):
            self._slowed(thief)
        reader = played.role("logits")[0]
        refused = sum(reader.refused.values())
        story.check(
            f"the logit extractor asked {reader.sent} times for log-probabilities under a bias: "
            f"{reader.answered} plain answers, {refused} refused, {reader.logprobs} with "
            "log-probabilities",
            good=outcome.must(reader.logprobs == 0, "log-probabilities were served with a bias"),
        )
        quiet = [s for s in played.seen.values() if not s.account.campaign]
        broken = sum(s.broken for s in quiet)
        away = sum(sum(s.refused.values()) for s in quiet)
        story.check(
            f"honest callers: {sum(s.answered for s in quiet):,} requests answered, {away} "
            f"refused, {broken} broken; median reply after {median(quiet) * 1000:.0f} ms",
            good=outcome.must(
                away + broken == 0 and (self._model or all(s.answered for s in quiet)),
                "an honest request was refused or broken",
            ),
        )
        outcome.must(outcome.attackers_dosed > 0, "no attacker was given a dose")

    def _slowed(self, thief: Seen) -> None:
        story, outcome = self._story, self._outcome
        before, after = halves(thief)
        slowed = after > before + SLOWED or sum(thief.refused.values()) > 0
        turned = f", {sum(thief.refused.values())} refused" if thief.refused else ""
        story.check(
            f"the distiller was slowed: an answer took {before:.2f} s at first, {after:.1f} s at "
            f"the end; {thief.answered} of {thief.planned} prompts were answered{turned} (its day "
            "is squeezed, the delay is not: read the seconds, not the share)",
            good=outcome.must(slowed, "the distiller was not slowed"),
        )

    def _campaigns(
        self, facts: Facts, attackers: Sequence[Account], subject: dict[str, str]
    ) -> None:
        story, outcome = self._story, self._outcome
        hydra = {subject[a.name] for a in attackers if a.role == "hydra"}
        found = {member for campaign in facts.campaigns for member in campaign.members}
        outcome.campaigns = len(facts.campaigns)
        outcome.members_found = len(found & hydra)
        outcome.members_wrong = len(found - {subject[a.name] for a in attackers})
        if not hydra:
            story.say(
                "(A distiller and thirty light accounts want long replies, which are too much for "
                "this little model: run the demo without --model to see them.)",
                dim=True,
            )
            return
        if facts.campaigns:
            best = max(facts.campaigns, key=lambda campaign: campaign.bits)
            held = "goes to a person" if best.review else "counts as evidence"
            story.check(
                f"the hunt tied {outcome.members_found} of the {len(hydra)} light accounts "
                f"together, and {outcome.members_wrong} honest ones: formed by "
                f"{', '.join(best.formed)}, tested on {', '.join(best.tested)}, "
                f"{best.bits:.1f} bits; a group like this {held}",
                good=outcome.must(outcome.members_wrong == 0, "the hunt accused honest callers"),
            )
        else:
            story.check("the hunt found no campaign among these callers", good=False)
            outcome.failed.append("the hunt did not find the 30 accounts")


def halves(seen: Seen) -> tuple[float, float]:
    """Median seconds to an answer among the first tenth and the last quarter of those it got."""
    if not seen.waited:
        return 0.0, 0.0
    first = seen.waited[: max(1, len(seen.waited) // 10)]
    last = seen.waited[-max(1, int(len(seen.waited) * SLOW_SHARE)) :]
    return statistics.median(first), statistics.median(last)


def median(seen: Iterable[Seen]) -> float:
    """Median seconds to a reply over several accounts; 0 without any."""
    waited = [seconds for one in seen for seconds in one.waited]
    return statistics.median(waited) if waited else 0.0
