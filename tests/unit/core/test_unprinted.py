"""What holds a secret shows none of it, whoever prints it."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import msgspec
import pytest

import titer
from titer.cli.logs import Maker
from titer.core.unprinted import Unprinted
from titer.gateway.fetch import Peer
from titer.gateway.s3 import Credentials
from titer.gateway.sequencers import Sequencing
from titer.gateway.settings import Secret
from titer.gateway.sharing.match_server import Partner
from titer.gateway.sharing.taxii_api import Reader
from titer.gateway.vouchers import Stamper
from titer.marks.keys import Epoch, MarkKey
from titer.respond.step_up import StepUpSettings

WORD = "hunter2hunter2hunter2"
HOLDERS = [
    Credentials("k", WORD, WORD), Sequencing(lease=f"postgresql://u:{WORD}@h/db"),
    Partner(name="p", token=WORD), Reader(name="r", token=WORD),
    Stamper("s", Peer("https://tsa.example"), Path("roots"), f"me:{WORD}"),
    Epoch(number=1, master=WORD.encode(), created=0), MarkKey("a", 1, WORD.encode()),
    Maker(WORD.encode(), None), Secret("x-api-key", WORD),
    StepUpSettings(url="https://v.example", secret=WORD),
]  # fmt: skip
#: Words in the name of a field that holds a secret.
WORDS = ("secret", "password", "login", "credential", "lease", "pepper", "master", "token")
#: Such fields that hold none: references to files, counts and text tokens, public commitments.
HARMLESS = {
    "titer.audit.commitments.Committed", "titer.audit.plan.PlannedKey", "titer.audit.power.Fit",
    "titer.audit.endpoint._Top", "titer.audit.endpoint._Said", "titer.audit.endpoint._Lists",
    "titer.audit.target.Place", "titer.evidence.contents.Stamp", "titer.hunt.mixture.Pairs",
    "titer.gateway.settings.GatewaySettings", "titer.gateway.settings.SummarySettings",
    "titer.respond.leak_guard.secrets.SecretFile",
    "titer.respond.leak_guard.settings.LeakSettings",
}  # fmt: skip


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_no_secret_is_printed(holder):
    for text in (repr(holder), str(holder), f"{holder}", repr([holder])):
        assert WORD not in text
    assert type(holder).__name__ in repr(holder)


def _structs():
    for module in pkgutil.walk_packages(titer.__path__, "titer."):
        if "__main__" in module.name:
            continue
        try:
            found = vars(importlib.import_module(module.name))
        except ImportError:  # an extra, or an engine that loads the plug-in itself
            continue
        for kind in found.values():
            ours = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
            if ours and not kind.__module__.startswith(("titer.config", "titer.lab")):
                yield kind  # settings refer to secrets, and the lab has none


def test_a_struct_with_a_field_of_such_a_name_is_one_of_them():
    loud = {
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in _structs()
        if kind.__repr__ is msgspec.Struct.__repr__
        for field in kind.__struct_fields__
        if any(word in field.split("_") for word in WORDS)
    }
    assert loud <= HARMLESS, "a secret? derive it from Unprinted"
    assert issubclass(Reader, Unprinted)
    assert any(kind is Reader for kind in _structs())  # they were looked at
