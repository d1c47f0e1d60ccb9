"""Who may call: keys, grants, budgets."""

from titer.access.address import ClientAddress
from titer.access.budgets import Budgets
from titer.access.keys import KeyBook
from titer.access.limits import Caller, Limits, Tier
from titer.access.secret import load_or_create
from titer.access.store import KeyRecord

__all__ = [
    "Budgets",
    "Caller",
    "ClientAddress",
    "KeyBook",
    "KeyRecord",
    "Limits",
    "Tier",
    "load_or_create",
]
