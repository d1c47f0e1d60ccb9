"""What an operator can set about the mitigations. Values are final: secrets already resolved."""

from __future__ import annotations

from pathlib import Path

import msgspec

from titer.core.ids import Pseudonyms
from titer.core.nouns import Dose
from titer.marks.keys import KeyRing
from titer.respond.leak_guard.settings import LeakSettings
from titer.respond.mark import Engine
from titer.respond.quota import QuotaConfig
from titer.respond.reasoning.formats import FormatFile
from titer.respond.rows import Rows
from titer.respond.step_up import StepUpSettings
from titer.respond.vary import VaryConfig

#: Whom a refused caller is told to ask when the operator says nothing.
CONTACT = "the operator of this service"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the mitigations of one process.

    `contact` completes "... contact ___". `names` derives the keys of nonces and coins from the
    operator's secret; without it they are zeros, which is good enough to look and to test.
    `mark_engine` is the kind of server that plants marks, `mark_keys` what it plants them with,
    `mark_ids` whether it is asked what it wrote, and `mark_tokenizer` what replies' text is read
    with where it does not say.
    `always` are doses that everybody gets, `formats` how models write their reasoning, `summaries`
    whether somebody sums it up, `leak` what the leak guard protects. `directory` is where workers
    share which nonces were answered, `shared` where they share what throttles and quotas count;
    None shares nothing. `worker` is this one's number among `workers`.
    """

    contact: str = CONTACT
    quota: QuotaConfig = QuotaConfig()
    vary: VaryConfig = VaryConfig()
    step_up: StepUpSettings | None = None
    always: tuple[Dose, ...] = ()
    formats: FormatFile | None = None
    summaries: bool = False
    leak: LeakSettings = LeakSettings()
    names: Pseudonyms | None = None
    directory: Path | None = None
    shared: Path | None = None
    workers: int = 1
    worker: int = 0
    mark_engine: Engine = ""
    mark_keys: KeyRing | None = None
    mark_ids: bool = False
    mark_tokenizer: Path | None = None

    def at_home(
        self, names: Pseudonyms, run: Path, *, workers: int = 1, worker: int = 0
    ) -> Options:
        """The same in a data directory: with its secret, and what its workers share."""
        return msgspec.structs.replace(
            self, names=names, directory=run / "step_up", shared=run / "doses", workers=workers,
            worker=worker,
        )  # fmt: skip

    def rehearsing(self) -> Options:
        """The same for doses in shadow, which count apart."""
        shared = self.shared.with_name("rehearsal") if self.shared is not None else None
        return msgspec.structs.replace(self, shared=shared)

    def rows(self, name: str, fields: int, *, own: bool = False, volatile: bool = False) -> Rows:
        """What the mitigation `name` counts by subject. Raises `ConfigError`."""
        return Rows(
            self.shared / name if self.shared is not None else None, fields=fields, own=own,
            volatile=volatile, workers=self.workers, worker=self.worker,
        )  # fmt: skip

    def key(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose."""
        return self.names.key(purpose) if self.names is not None else bytes(32)
