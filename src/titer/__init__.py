"""titer: weigh what a caller has taken, lower what it can learn, and prove both."""

from titer.core.nouns import Campaign, Decision, Exchange, Finding, Principal, Standing, Transfer

__version__ = "0.1.0"
__all__ = ["Campaign", "Decision", "Exchange", "Finding", "Principal", "Standing", "Transfer"]
