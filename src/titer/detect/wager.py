"""A running bet against the worst honest caller, in constant memory.

Every exchange has a yield between 0 and 1 (the detector decides) and a stratum. Honest callers'
yields have a mean of at most `null` in that stratum; the wager holds one gambler for each stake,
whose fortune is multiplied by 1 + stake (yield / null - 1). The mixture of the fortunes is an
e-process under that null (Waudby-Smith and Ramdas, "Estimating means of bounded random variables
by betting", JRSS-B 86, 2024); the score is its running maximum in bits, bounded from below by
the best gambler's share.

The null is an approximation: callers differ honestly, so Ville's inequality alone would be wrong
by orders of magnitude. Validity comes later and elsewhere, from split conformal calibration of
the score over whole organisations (`titer.detect.calibration`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

#: Shares of a fortune that the gamblers stake; less than 1, so that none is ruined.
STAKES = (0.05, 0.15, 0.35, 0.65)
#: Groups of gamblers: one bets on single questions only, one on conversations only. The
#: mixture is at least the best gambler's fortune divided by their number.
GROUPS = 2
_SHARE = math.log2(GROUPS * len(STAKES))
#: A null of 0 would make one exchange infinite evidence, one of 1 none for ever.
LOWEST, HIGHEST = 0.02, 0.97
#: The null is this quantile of the honest subjects' own means. It places the bet; the worst
#: honest subject is accounted for by calibration, which needs some of them to score above 0 to
#: tell them apart (measured: docs/adr/0006-bits.md).
QUANTILE = 0.95
