"""The tables of `titer.toml`. Docstrings are the reference page; everything has a default."""

from __future__ import annotations

from typing import Literal

import msgspec

from titer.access.limits import Tier
from titer.config.matching import MatchTable
from titer.config.paths import FilePath
from titer.config.secrets import SecretRef
from titer.config.sharing import ShareTable, TaxiiTable
from titer.core.uses import Use
from titer.detect.parameter_policy import PolicyConfig
from titer.gateway.dialects.engine_extras import CONTROL
from titer.gateway.settings import TOKEN, DataPlane, Upstream
from titer.respond import person
from titer.respond.ladder import MARGIN
from titer.respond.level import LevelPolicy
from titer.respond.mark import Engine
from titer.respond.options import CONTACT
from titer.respond.quota import QuotaConfig
from titer.respond.rungs import DAY_S
from titer.respond.segments import Segment
from titer.respond.step_up import check_url
from titer.respond.vary import VaryConfig

#: Beyond this many workers the budget counters have no column.
MAX_WORKERS = 256


class UpstreamTable(msgspec.Struct, frozen=True, kw_only=True):
    """The model server behind the gateway.

    url: where it is, `http` or `https`; a base path is put before every path. `--upstream` on
        the command line wins.
    dialect: whose convention authenticates titer there: `openai` sends the credential as
        `authorization: Bearer ...`, `anthropic` as `x-api-key`.
    credential: the server's API key, by reference. Callers never see it, and their own keys
        never reach the server.
    credential_header: sends the credential verbatim in this header instead.
    ca: PEM file of the authority that signs an `https` server's certificate, besides the
        system's.
    """

    url: str = ""
    dialect: Literal["openai", "anthropic"] = "openai"
    credential: SecretRef | None = None
    credential_header: str = ""
    ca: FilePath | None = None

    def __post_init__(self) -> None:
        if self.url:
            try:
                Upstream.of(self.url)
            except ValueError as error:
                raise ValueError(f"url{str(error).removeprefix('upstream')}") from None
        if self.credential_header and not TOKEN.fullmatch(self.credential_header):
            raise ValueError("credential_header must be the name of an HTTP header")


class RouteTable(msgspec.Struct, frozen=True):
    """One open route, such as `{ method = "GET", path = "/version" }`.

    method: the HTTP method, in capitals.
    path: the exact path.
    """

    method: str
    path: str

    def __post_init__(self) -> None:
        if not self.method.isascii() or not self.method.isalpha() or not self.method.isupper():
            raise ValueError("method must be an HTTP method in capitals, such as GET")
        if self.path in CONTROL:
            raise ValueError(
                f"path {self.path} steers the model server itself and cannot be opened; "
                "reach the model server without titer for it"
            )
        if not self.path.startswith("/"):
            raise ValueError("path must begin with a slash")


class GatewayTable(DataPlane, frozen=True, kw_only=True):
    """Where callers connect, and the limits of the data plane. Times are seconds, sizes bytes.

    workers: gateway processes on that port; one a core is right.
    open_routes: further routes that callers with a key may use; all others are refused. Those of
        vLLM and SGLang that titer knows are weighed like any other, the rest pass untouched.
    """

    workers: int = 1
    certificate: FilePath | None = None
    private_key: FilePath | None = None
    open_routes: tuple[RouteTable, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.workers <= MAX_WORKERS:
            raise ValueError(f"workers must lie between 1 and {MAX_WORKERS}")


class AccessTable(msgspec.Struct, frozen=True, kw_only=True):
    """Who may call how much. Keys themselves are made by `titer keys`.

    tiers: budgets by tier, as `[access.tiers.NAME.key]` for each key and
        `[access.tiers.NAME.org]` for all keys of one organisation together. Keys are of the tier
        `standard` unless they were made with another; a tier without a table has no limits.
    """

    tiers: dict[str, Tier] = {}


class WitnessTable(msgspec.Struct, frozen=True, kw_only=True):
    """One witness (C2SP tlog-witness).

    key: its verifier key, as its operator published it.
    url: where it answers; `/add-checkpoint` is put after it.
    ca: PEM file of the authority that signs its certificate, besides the system's.
    """

    key: str
    url: str
    ca: FilePath | None = None


class TimestampTable(msgspec.Struct, frozen=True, kw_only=True):
    """One time stamping authority (RFC 3161).

    name: a short name; its replies are kept under it.
    url: where it answers.
    roots: PEM file of the certificates that its own leads to.
    login: `USER:PASSWORD` by reference, where it asks for one.
    """

    name: str
    url: str
    roots: FilePath
    login: SecretRef | None = None


class EvidenceTable(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence log.

    required: refuse requests while evidence cannot be written, instead of letting them pass.
    anchor: a file on another disk or machine that remembers the newest head. A log that is older
        than its anchor was rolled back, and is not opened.
    vouch_every: seconds between two heads that witnesses and time stampers are asked about; 0
        asks nobody.
    witnesses: who cosigns heads.
    timestamps: who stamps them.
    """

    required: bool = False
    anchor: FilePath | None = None
    vouch_every: float = 3600.0
    witnesses: tuple[WitnessTable, ...] = ()
    timestamps: tuple[TimestampTable, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.vouch_every < 86_400 * 365:
            raise ValueError("vouch_every must be seconds, 0 or more, less than a year")


class SequencerTable(msgspec.Struct, frozen=True, kw_only=True):
    """Several gateways, one log. Without this table a gateway keeps a log of its own.

    listen: `HOST:PORT`; take exchanges of other gateways into this one's log.
    at: addresses of the sequencer; this gateway keeps no log but sends its exchanges there.
        Several are tried in turn, for one that fails over.
    name: this gateway's name at the sequencer; the common name of its certificate.
    certificate: PEM file of our certificate chain, for the port or towards the sequencer. Needed
        except where both are on this machine.
    private_key: PEM file of its key.
    ca: PEM file of the authority of the other side's certificates.
    lease: address of a PostgreSQL database that says who writes the log, by reference:
        `postgresql://USER:PASSWORD@HOST/NAME`. Needs `pip install 'titer[postgres]'`.
    lease_file: a SQLite file that says the same among processes of one host.
    standby: wait until nobody holds the lease, then take over.
    """

    listen: str = ""
    at: tuple[str, ...] = ()
    name: str = ""
    certificate: FilePath | None = None
    private_key: FilePath | None = None
    ca: FilePath | None = None
    lease: SecretRef | None = None
    lease_file: FilePath | None = None
    standby: bool = False

    def __post_init__(self) -> None:
        host, colon, port = self.listen.rpartition(":")
        if self.listen and not (host and colon and port.isdigit() and int(port) < 65536):
            raise ValueError("listen must be HOST:PORT")
        if self.listen and self.at:
            raise ValueError("a gateway takes exchanges (listen) or sends them (at), not both")
        if self.at and not self.name:
            raise ValueError("a gateway that sends its exchanges needs a name")
        if self.listen and host not in ("127.0.0.1", "[::1]", "localhost") and not self.ca:
            raise ValueError("listen beyond this machine needs certificate, private_key and ca")
        if self.standby and not (self.lease or self.lease_file):
            raise ValueError("standby needs lease or lease_file: that is what it waits for")


class DoseTable(msgspec.Struct, frozen=True):
    """One mitigation and how much of it.

    mitigation: its name; those that come with titer have pages of their own.
    strength: 0 is nothing, 1 is all.
    otherwise: the mitigation that is given instead while this one cannot work (`step_up` while
        the verification service is down); nothing when left out, so that requests pass.
    """

    mitigation: str
    strength: float = 1.0
    otherwise: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError("strength must lie between 0 and 1")


class RungTable(msgspec.Struct, frozen=True, kw_only=True):
    """One rung; rungs are written from the lowest to the highest. Without any, the built-in
    ladder is used.

    name: what decisions call it.
    tier: the rung is for subjects of this tier alone. A tier that has rungs of its own uses no
        others.
    segment: the same for a segment of `[[respond.segments]]`; with `tier`, for those of that tier
        that belong to it. The most particular rungs are used.
    at: bits from which it is reached; an honest caller ever reaches b bits with probability at
        most 2^-b.
    alone: bits that a subject needs which acts with no tested campaign; 0: as many as `at`.
    give: the doses, as `[{ mitigation = "logprobs" }, { mitigation = "throttle", strength = 0.5
        }]`. A rung does not inherit those of the rungs below. The order does not matter: doses
        act by the stage on their cards, and those that cannot be given together are refused.
    exposure: least tokens of replies that a subject must have taken besides.
    uses: the rung is for subjects alone that have used one of these: `logprobs` (asked for
        log-probabilities, by any engine's name), `logit_bias`, `embeddings`. For others with the
        bits it is armed: the first request that uses one of them has its doses already.
    shadow: record what would be done and do nothing; meant for a first week.
    needs: `"person"` waits for a person's approval; needed to refuse service below 30 bits.
    ttl_s: seconds after which a decision ends unless it is earned again.
    """

    name: str
    at: float
    alone: float = 0.0
    tier: str = ""
    segment: str = ""
    give: tuple[DoseTable, ...] = ()
    exposure: int = 0
    uses: tuple[Use, ...] = ()
    shadow: bool = True
    needs: Literal["", "person"] = ""
    ttl_s: int = DAY_S


class StepUpTable(msgspec.Struct, frozen=True, kw_only=True):
    """The verification service that the mitigation `step_up` sends callers to.

    url: where callers are sent; `nonce=...` is added to it.
    secret: what the service shows when it answers at `/titer/step-up`, by reference.
    nonce_s: seconds for which a nonce can be answered.
    verified_s: seconds for which a verified subject passes.
    alive_s: the service counts as down when nothing was heard of it for so many seconds (it may
        send `{"alive": true}`); then the dose's `otherwise` is given. 0: it never counts as down.
    """

    url: str = ""
    secret: SecretRef | None = None
    nonce_s: int = 900
    verified_s: int = 30 * DAY_S
    alive_s: int = 0

    def __post_init__(self) -> None:
        if self.url:
            check_url(self.url)
        if bool(self.url) != (self.secret is not None):
            raise ValueError("url and secret: set both, or neither")
        if self.nonce_s <= 0 or self.verified_s <= 0:
            raise ValueError("nonce_s and verified_s must be more than 0")
        if self.alive_s < 0:
            raise ValueError("alive_s must not be negative; 0 never takes the service for down")


class RespondTable(msgspec.Struct, frozen=True, kw_only=True):
    """How the ladder behaves.

    shadow: with the built-in ladder: record what would be done and do nothing. false puts it in
        force. Rungs of your own each say so themselves.
    margin: bits below its threshold at which a rung is left again.
    deciders: whose decisions count, as `titer decide key` prints it. Without any, whoever can
        write to the data directory may decide.
    contact: whom a refused caller is told to ask.
    segments: kinds of subject that rungs can name.
    step_up: the verification service.
    quota: what the mitigation `quota` leaves.
    vary: what the mitigation `vary` may choose.
    """

    shadow: bool = True
    margin: float = MARGIN
    deciders: tuple[str, ...] = ()
    contact: str = CONTACT
    segments: tuple[Segment, ...] = ()
    step_up: StepUpTable = StepUpTable()
    quota: QuotaConfig = QuotaConfig()
    vary: VaryConfig = VaryConfig()

    def __post_init__(self) -> None:
        if self.margin < 0:
            raise ValueError("margin must not be negative")
        person.keys(self.deciders)
        if not self.contact.isprintable() or len(self.contact) > 200:
            raise ValueError("contact must be one printable line of at most 200 characters")


class SummaryTable(msgspec.Struct, frozen=True, kw_only=True):
    """A model that writes a summary in place of hidden reasoning, at strengths to 0.5.

    It reads the reasoning: run it yourself, or trust who does. While it waits for a summary, a
    reply stands still.

    url: an OpenAI-compatible server, such as `http://127.0.0.1:8001`.
    model: the model to ask.
    credential: its API key, by reference; sent as `authorization: Bearer ...`.
    timeout_ms: longest wait; then, or when the server is down, the structure stands alone.
    max_tokens: most tokens of a summary.
    """

    url: str = ""
    model: str = ""
    credential: SecretRef | None = None
    timeout_ms: int = 2000
    max_tokens: int = 200

    def __post_init__(self) -> None:
        if bool(self.url) != bool(self.model):
            raise ValueError("url and model: set both, or neither")
        if not 0 < self.timeout_ms <= 60_000 or self.max_tokens <= 0:
            raise ValueError("timeout_ms must be 1 to 60000, and max_tokens more than 0")


class ProtectTable(msgspec.Struct, frozen=True, kw_only=True):
    """What must not leave in a reply, whoever asks.

    always: doses that every caller gets whatever its bits, never in shadow, such as
        `[{ mitigation = "reasoning" }, { mitigation = "leak_guard" }]`. A rung that gives the
        same mitigation wins if it gives more.
    formats: a file that `titer check --learn-format` wrote: how models write their reasoning. A
        model without an entry gets all formats that are known.
    texts: files with texts that must not be given out; read when titer starts.
    secrets: the file of secrets that `titer secrets` keeps, which holds keyed hashes alone.
    system_prompts: protect the system prompt of each request in its own reply.
    on_leak: what becomes of a leak: `redact` takes it out, `refuse` ends the reply, `regenerate`
        asks the model once more without its system prompt (replies that are not streamed and
        have one; others are redacted).
    summary: the model that sums hidden reasoning up.
    """

    always: tuple[DoseTable, ...] = ()
    formats: FilePath | None = None
    texts: tuple[FilePath, ...] = ()
    secrets: FilePath | None = None
    system_prompts: bool = True
    on_leak: Literal["redact", "refuse", "regenerate"] = "redact"
    summary: SummaryTable = SummaryTable()


class DetectTable(msgspec.Struct, frozen=True, kw_only=True):
    """What looks at the traffic.

    hunt_every: seconds between two looks for callers that act as one; 0 turns that off.
    """

    hunt_every: float = 60.0

    def __post_init__(self) -> None:
        if self.hunt_every < 0:
            raise ValueError("hunt_every must not be negative; 0 turns the hunt off")


class MarksTable(msgspec.Struct, frozen=True, kw_only=True):
    """Marks that the model server plants in what it samples, for rungs that give the dose `mark`.

    engine: which server is behind the gateway: `sglang` (started with `--enable-watermark`) or
        `vllm` (with `--watermark-config`, and titer's logits processor for the radioactive
        profile). Needs keys: `titer marks keys create`.
    contexts: record which contexts marked replies reached, as keyed hashes in the log (16 bytes a
        token): the server is asked for token ids, which callers never see. `titer audit` can then
        look only after these contexts.
    tokenizer: `tokenizer.json` or `NAME.tiktoken` of the served model, for replies that come
        without token ids; their text is then read with it. Needs `titer[tokens]`.
    """

    engine: Engine = ""
    contexts: bool = True
    tokenizer: FilePath | None = None


class TelemetryTable(msgspec.Struct, frozen=True, kw_only=True):
    """Spans for an operator's own collector; nothing is sent anywhere unless this is set.

    endpoint: an OTLP/HTTP traces endpoint, such as `http://127.0.0.1:4318/v1/traces`. Needs the
        extra `titer[otel]`. Spans carry names and counts, never text, keys or addresses.
    """

    endpoint: str = ""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All of `titer.toml`.

    upstream: the model server.
    gateway: where callers connect.
    access: budgets.
    parameters: what a request may ask of the engine.
    detect: what looks at the traffic.
    respond: how the ladder behaves.
    protect: what must not leave in a reply.
    ladder: what is given at how many bits.
    evidence: the log.
    sequencer: one log for several gateways.
    marks: marks in replies.
    share: partners, webhooks and streams of events.
    taxii: the TAXII server.
    match: private matching with partners over HTTP.
    level: the alert level.
    telemetry: spans.
    """

    upstream: UpstreamTable = UpstreamTable()
    gateway: GatewayTable = GatewayTable()
    access: AccessTable = AccessTable()
    parameters: PolicyConfig = PolicyConfig()
    detect: DetectTable = DetectTable()
    respond: RespondTable = RespondTable()
    protect: ProtectTable = ProtectTable()
    ladder: tuple[RungTable, ...] = ()
    evidence: EvidenceTable = EvidenceTable()
    sequencer: SequencerTable = SequencerTable()
    marks: MarksTable = MarksTable()
    share: ShareTable = ShareTable()
    taxii: TaxiiTable = TaxiiTable()
    match: MatchTable = MatchTable()
    level: LevelPolicy = LevelPolicy()
    telemetry: TelemetryTable = TelemetryTable()
