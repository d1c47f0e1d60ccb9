"""Who takes part in the demo, in words and in groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from titer.lab.events import Account


def roles(accounts: Iterable[Account]) -> list[tuple[str, list[Account]]]:
    """The accounts in four groups, for people."""
    tests: tuple[tuple[str, Callable[[Account], bool]], ...] = (
        ("honest crowd", lambda a: not a.campaign),
        ("distiller", lambda a: a.role == "distiller"),
        ("logit extractor", lambda a: a.role == "logits"),
        ("hydra", lambda a: a.role == "hydra"),
    )
    every = list(accounts)
    groups = [(label, [a for a in every if test(a)]) for label, test in tests]
    return [(label, group) for label, group in groups if group]


def worst_of(accounts: Iterable[Account]) -> Account:
    """The attacker that is explained and proved: the distiller, else the logit extractor."""
    every = list(accounts)
    return next(a for role in ("distiller", "logits") for a in every if a.role == role)


def cast_of(accounts: Iterable[Account]) -> str:
    """Who takes part, in words."""
    counts = Counter(account.role if account.campaign else "honest" for account in accounts)
    parts = [f"{counts['honest']} honest ones"]
    if counts["distiller"]:
        parts.append("one that distils with a pipeline's templates")
    if counts["logits"]:
        parts.append("one that reads out logits with a bias on 5 vocabulary ids at a time")
    if counts["hydra"]:
        parts.append(
            f"{counts['hydra']} light accounts that share one work-list and hide in small talk"
        )
    return "; ".join(parts)
