"""Does the suspect pass our own service on? Then it shows our marks without having learned.

Looked at are the account's exchanges in our log while the suspect was being asked. If replies of
the same length left us shortly before the suspect's answers came, or if there were at least half
as many exchanges as answers, passing on cannot be excluded. Pausing the account's key during a
test settles it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from titer.audit.answers import Kept
from titer.core.nouns import Exchange
from titer.evidence.log import View

#: Microseconds that an answer may take on its way through somebody else's server.
WITHIN = 600_000_000
#: From this share of the answers on, and so many, equal lengths are no chance.
ALIKE_SHARE, ALIKE_LEAST = 0.05, 3
#: Exchanges of the account, as a share of the answers, from which on nothing can be excluded.
BUSY_SHARE = 0.5


class Passed(msgspec.Struct, frozen=True):
    """What an account did with us during the test: exchanges, and those whose reply had the length
    of an answer that came within ten minutes.
    """

    exchanges: int = 0
    alike: int = 0
    answers: int = 0

    @property
    def possible(self) -> bool:
        """Whether the suspect may be passing us on through this account."""
        alike = self.alike >= max(ALIKE_LEAST, ALIKE_SHARE * self.answers)
        return alike or self.exchanges >= max(1.0, BUSY_SHARE * self.answers)


def passed_on(
    view: View, accounts: Sequence[str], answers: Kept, *, start: int, end: int
) -> dict[str, Passed]:
    """What each account did between the first question and the last answer (microseconds)."""
    came: dict[int, list[int]] = defaultdict(list)
    for n, answer in answers.items():
        if answer.text:
            came[len(answer.text)].append(answers.at[n])
    for times in came.values():
        times.sort()
    counts = {account: [0, 0] for account in accounts}
    decoder = msgspec.json.Decoder(Exchange)
    view.reload()
    for stored in view.scan():
        if stored.kind != "exchange" or stored.body is None:
            continue
        if not start <= stored.at <= end + WITHIN:
            continue
        one = decoder.decode(stored.body)
        if not start <= one.at <= end:
            continue
        times = came.get(one.reply.chars, [])
        place = bisect_left(times, one.at)
        alike = place < len(times) and times[place] - one.at <= WITHIN
        for name in {one.principal.id, one.principal.org} & counts.keys():
            counts[name][0] += 1
            counts[name][1] += alike
    total = len(answers)
    return {name: Passed(seen, alike, total) for name, (seen, alike) in counts.items()}
