"""The file that an audit is written down in, before it becomes a plan in the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from titer.audit.plan import Plan, Statistic, Target
from titer.config.reading import Source
from titer.config.secrets import SecretRef

#: What a plan says where a file says nothing.
_PLAN: dict[str, Any] = {field.name: field.default for field in msgspec.structs.fields(Plan)}


class Model(msgspec.Struct, frozen=True):
    """A model to ask.

    name: what the report calls it.
    url: base address of an OpenAI-compatible server, up to and including `/v1`.
    model: its name there.
    api: `chat`, `completions`, or `callable` for weights that you run yourself.
    callable: `package.module:function` then; the function returns a `titer.audit.target.Asked`.
    credential: where the key for it is.
    """

    name: str
    url: str = ""
    model: str = ""
    api: str = "chat"
    callable: str = ""
    credential: SecretRef | None = None

    def __post_init__(self) -> None:
        if self.api not in ("chat", "completions", "callable"):
            raise ValueError("api must be chat, completions or callable")
        self.target  # noqa: B018 - its own checks

    @property
    def target(self) -> Target:
        """The part that goes into the plan: all but the credential."""
        return Target(
            name=self.name, url=self.url, model=self.model, api=self.api,  # type: ignore[arg-type]
            callable=self.callable,
        )  # fmt: skip


class MarkedWith(msgspec.Struct, frozen=True):
    """A key to test.

    account: the account's pseudonym, or its name as in `titer explain`.
    epoch: of the key.
    scheme: how it marked, one of titer's schemes.
    parameters: of the scheme, all numbers.
    logged: file of our own replies marked with it. A -filter statistic needs this or `contexts`.
    contexts: `log` for the contexts that `titer serve` recorded of its marked replies, or the file
        that `titer marks contexts` made.
    """

    account: str
    epoch: int
    scheme: str = "kgw"
    parameters: dict[str, float] = {}
    logged: str = ""
    contexts: str = ""

    def __post_init__(self) -> None:
        if self.logged and self.contexts:
            raise ValueError("logged or contexts: the replies or what they reached, not both")


class AuditFile(msgspec.Struct, frozen=True):
    """The whole file; paths are relative to its folder. See `titer.audit.plan.Plan`.

    suspect: whom to ask. base: the public model that it may come from.
    tokenizer: file of our tokenizer. keys: whose marks to look for.
    statistics: closed, closed-filter, topk, topk-filter, argmax, soft.
    prompts, reading, controls, public: files of texts.
    """

    suspect: Model
    tokenizer: str
    keys: tuple[MarkedWith, ...]
    statistics: tuple[Statistic, ...]
    controls: str
    requests: int
    tokens: int
    base: Model | None = None
    prompts: str = ""
    reading: str = ""
    public: str = ""
    copies: int = _PLAN["copies"]
    max_tokens: int = _PLAN["max_tokens"]
    temperature: float = _PLAN["temperature"]
    logprobs: int = _PLAN["logprobs"]
    sentinels: int = _PLAN["sentinels"]
    alpha: float = _PLAN["alpha"]
    wrong_keys: int = _PLAN["wrong_keys"]
    pause: float = _PLAN["pause"]
    seed: int = _PLAN["seed"]


def read_audit_file(path: Path) -> AuditFile:
    """Read the file. Raises `ConfigError` naming file, line and remedy."""
    return Source(path).decode(AuditFile)
