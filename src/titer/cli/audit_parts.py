"""What `titer audit` puts together from a file and a data directory: plan, keys, texts."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from titer.audit import plan as plans
from titer.audit.collect import tasks
from titer.audit.commitments import Commitments, check
from titer.audit.endpoint import Endpoint
from titer.audit.judge import Key
from titer.audit.logged import from_log, material
from titer.audit.plan import Material, Plan, PlannedKey
from titer.audit.report import Result
from titer.audit.run import Audit, Materials
from titer.audit.target import Asked
from titer.audit.texts import Text, read_texts
from titer.cli.common import read_file
from titer.config.audit_file import AuditFile, MarkedWith, Model, read_audit_file
from titer.console.explain import open_view
from titer.console.names import Names
from titer.core.errors import ConfigError, InputError
from titer.evidence.log import View
from titer.gateway.assembly import enter
from titer.marks import context_log, keystore, schemes, tokens
from titer.marks.context_log import ContextLog

if TYPE_CHECKING:
    from titer.marks.contract import Scheme
    from titer.marks.tokens import Tokenizer

#: What `contexts` says for those that the log holds.
LOG = "log"
#: Seconds to wait for a head that covers a new entry; `titer serve` signs one a second.
HEAD_WITHIN = 15.0


class Parts:
    """Everything that one audit file names, read once."""

    def __init__(self, path: Path, data: Path) -> None:
        """Use `read`."""
        self._base = path.parent
        self._data = data
        self._file: AuditFile = read_audit_file(path)
        self._view: View = open_view(data)
        self._texts: dict[str, tuple[tuple[Text, ...], Material]] = {}
        self.tokenizer: Tokenizer = tokens.load(self._base / self._file.tokenizer)
        self._committed = Commitments(self._view)
        self._names = Names(data)
        self._contexts: dict[int, ContextLog] = {}
        self.plan: Plan = self._as_registered()

    @classmethod
    def read(cls, path: Path, data: Path) -> Self:
        """Read file, texts, tokenizer and log. Raises `ConfigError`, `InputError`."""
        return cls(path, data)

    @property
    def asks(self) -> int:
        """How many questions the suspect is asked."""
        return len(tasks(self.plan))

    def warnings(self) -> list[str]:
        """What the plan leaves open, for the person who registers it."""
        out = []
        if self.plan.base is None:
            out.append("no base model: whether an ancestor has the mark will stay untested")
        if self.plan.public is None:
            out.append("no public text: whether our text lies in public will stay untested")
        shared = [key.label for key in self.plan.keys if key.master]
        if shared:
            out.append(
                f"{shared[0]}: only the epoch's master is committed to: to open this key to an "
                "expert is to open every account's; `titer marks keys issue` commits to one"
            )
        if self.asks > self.plan.requests:
            out.append(f"the budget of {self.plan.requests} requests does not reach for all")
        return [f"note      {text}" for text in out]

    def keys(self) -> list[Key]:
        """The keys with their values, each held against its commitment. Raises EvidenceError."""
        ring = keystore.load(self._data)
        out = []
        for i, (planned, given) in enumerate(zip(self.plan.keys, self._file.keys, strict=True)):
            committed = self._committed.of(planned.account, planned.epoch)
            key = check(ring, planned.account, planned.epoch, committed)
            logged = self._texts[given.logged][0] if given.logged else ()
            scheme = schemes.scheme(planned.scheme, planned.parameters)
            out.append(
                Key(planned, key.engine, scheme, logged, self._contexts.get(i), committed.leaked)
            )
        return out

    def targets(self) -> dict[str, Asked]:
        """The suspect, and the base model if there is one, ready to be asked."""
        found = {"suspect": self._target(self._file.suspect)}
        if self._file.base is not None:
            found["base"] = self._target(self._file.base)
        return found

    def audit(self, *, work: Path, lanes: int) -> Audit:
        """The audit, if its plan is registered. Raises `InputError`."""
        file = self._file
        materials = Materials(
            prompts=self._of(file.prompts), reading=self._of(file.reading),
            controls=self._of(file.controls), public=self._of(file.public),
        )  # fmt: skip
        return Audit(
            self._view, self.plan, keys=self.keys(), materials=materials,
            tokenizer=self.tokenizer, work=work, lanes=lanes,
        )  # fmt: skip

    def _as_registered(self) -> Plan:
        """The plan of the file. What it says about the log's contexts is about the log as it was
        when the plan was registered, if it was.
        """
        if any(given.contexts == LOG for given in self._file.keys):
            for stored in self._view.scan(kinds=(plans.PLAN,)):
                if stored.body is None:
                    continue
                held = plans.read_body(stored.body)
                below = max((k.logged.below for k in held.keys if k.logged is not None), default=0)
                if below and held.suspect == self._file.suspect.target:
                    plan = self._plan(below)
                    if plan.id == held.id:
                        return plan
        return self._plan(self._view.size)

    def _plan(self, below: int) -> Plan:
        """The plan; contexts are those of the log's entries below an index."""
        file = self._file
        try:
            return Plan(
                suspect=file.suspect.target,
                base=file.base.target if file.base is not None else None,
                tokenizer=self.tokenizer.fingerprint,
                keys=tuple(self._planned(i, below) for i in range(len(file.keys))),
                statistics=file.statistics,
                prompts=self._material("prompts", file.prompts),
                reading=self._material("reading", file.reading),
                controls=self._must("controls", file.controls),
                public=self._material("public", file.public),
                copies=file.copies,
                max_tokens=file.max_tokens,
                temperature=file.temperature,
                logprobs=file.logprobs,
                sentinels=file.sentinels,
                alpha=file.alpha,
                wrong_keys=file.wrong_keys,
                requests=file.requests,
                tokens=file.tokens,
                pause=file.pause,
                seed=file.seed,
            )
        except ValueError as error:
            raise ConfigError(f"the audit file: {error}") from None

    def _planned(self, i: int, below: int) -> PlannedKey:
        given = self._file.keys[i]
        account = self._account(given.account, given.epoch)
        committed = self._committed.of(account, given.epoch)
        scheme = schemes.scheme(
            given.scheme,
            {k: int(v) if v.is_integer() else v for k, v in given.parameters.items()},
        )
        return PlannedKey(
            account=account,
            epoch=given.epoch,
            commitment=committed.commitment,
            entry=committed.entry,
            at=committed.at,
            master=committed.master,
            scheme=scheme.name,
            parameters=scheme.parameters,
            logged=self._reached(i, given, account, scheme, below)
            if given.contexts
            else self._material("logged", given.logged),
        )

    def _reached(
        self, i: int, given: MarkedWith, account: str, scheme: Scheme, below: int
    ) -> Material:
        """What the plan says about contexts of a key, which are kept for the test."""
        try:
            key = keystore.load(self._data).key(account, given.epoch)
        except KeyError:
            raise InputError(
                f"there is no epoch {given.epoch}; see `titer marks keys list`"
            ) from None
        if given.contexts == LOG:
            self._contexts[i] = from_log(self._view, key, scheme.width, below=below)
            return material(self._contexts[i], below=below)
        log = self._contexts[i] = ContextLog(key.secret, scheme.width)
        log.load(read_file(self._base / given.contexts, limit=context_log.MAX_FILE))
        return material(log)

    def _account(self, name: str, epoch: int) -> str:
        """The pseudonym that a key was committed under, for a name as people give it."""
        held = self._committed.accounts(epoch)
        candidates = self._names.candidates(name)
        return next((c for c in (name, *candidates) if c in held), candidates[0])

    def _must(self, what: str, name: str) -> Material:
        if not name:
            raise ConfigError(f"the audit file: {what} must name a file")
        if name not in self._texts:
            self._texts[name] = read_texts(self._base / name, what=what)
        return self._texts[name][1]

    def _material(self, what: str, name: str) -> Material | None:
        return self._must(what, name) if name else None

    def _of(self, name: str) -> tuple[Text, ...]:
        return self._texts[name][0] if name else ()

    def _target(self, model: Model) -> Asked:
        if model.api == "callable":
            return _called(model)
        credential = ""
        if model.credential is not None:
            credential = model.credential.read(name=f"{model.name}.credential", base=self._base)
        return Endpoint(model.target, credential)


def register_plan(data: Path, plan: Plan) -> int:
    """Put a plan into the log and wait for the head that covers it; returns the entry's index.

    A plan that is there already is not entered again. Raises `InputError`.
    """
    view = open_view(data)
    try:
        return plans.require(view, plan).index
    except InputError:
        enter(data, plans.PLAN, plan.body())
    deadline = time.monotonic() + HEAD_WITHIN
    while True:
        view.reload()
        try:
            return plans.require(view, plan).index
        except InputError:
            if time.monotonic() > deadline:
                raise InputError(
                    f"plan {plan.id} is handed in, and no head covers it yet: see that the "
                    "process that holds the log runs, then run the same command again"
                ) from None
            time.sleep(0.1)


def keep_result(data: Path, result: Result) -> str:
    """Put a result into the log; says where it is."""
    return enter(data, plans.RESULT, result.body()).line()


def _called(model: Model) -> Asked:
    """A model behind a function of the operator's own."""
    module, _, name = model.callable.partition(":")
    try:
        made: Any = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{model.name}: {model.callable} cannot be called ({error}); it must be a function "
            "without parameters in an installed package, or in the current folder"
        ) from None
    if not callable(getattr(made, "generate", None)) or not callable(getattr(made, "read", None)):
        raise ConfigError(f"{model.name}: {model.callable} must return what has generate and read")
    found: Asked = made
    return found
