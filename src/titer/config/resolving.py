"""From a `Config` to what the rooms below take, with every secret and file that it names read."""

from __future__ import annotations

from pathlib import Path

from titer.config.sections import (
    Config,
    ProtectTable,
    RungTable,
    SummaryTable,
    UpstreamTable,
)
from titer.core.errors import ConfigError, EvidenceError
from titer.core.nouns import Dose
from titer.evidence.cosignature import Witness
from titer.gateway.fetch import Peer
from titer.gateway.sequencers import Sequencing
from titer.gateway.settings import GatewaySettings, OpenRoute, Secret, SummarySettings
from titer.gateway.vouchers import Known, Stamper, Vouching
from titer.respond import Options
from titer.respond.compose import ordered
from titer.respond.ladder import Ladder, default_ladder
from titer.respond.leak_guard.secrets import read_secrets
from titer.respond.leak_guard.settings import KnownSecret, LeakSettings
from titer.respond.plugins import mitigations
from titer.respond.reasoning.formats import read_formats
from titer.respond.rungs import Cell, Rung
from titer.respond.step_up import StepUpSettings

#: Bytes of one protected text, and the letters that it must have to be told from chance.
MAX_TEXT = 1_000_000
LEAST_LETTERS = 60
#: Settings of `[gateway]` that are not the data plane's own.
_ELSEWHERE = ("workers",)


def settings(config: Config) -> GatewaySettings:
    """The settings of a gateway worker, secrets resolved. Raises `ConfigError`."""
    upstream, table = config.upstream, config.gateway
    if not upstream.url:
        raise ConfigError("there is no upstream: give --upstream URL, or set url under [upstream]")
    given = {name: getattr(table, name) for name in table.__struct_fields__}
    for name in _ELSEWHERE:
        del given[name]
    given["open_routes"] = tuple(OpenRoute(r.method, r.path) for r in table.open_routes)
    credential = _credential(upstream)
    try:
        return GatewaySettings(
            upstream=upstream.url, upstream_ca=upstream.ca, credential=credential,
            summary=_summary(config.protect.summary), **given,
        )  # fmt: skip
    except ValueError as error:
        raise ConfigError(f"configuration: {error}") from None


def vouching(config: Config) -> Vouching:
    """Who vouches for the log's heads. Raises `ConfigError`."""
    table = config.evidence
    try:
        asked = tuple(
            Known(Witness.parse(one.key), Peer(one.url, Path(one.ca) if one.ca else None))
            for one in table.witnesses
        )
    except EvidenceError as error:
        raise ConfigError(f"evidence.witnesses: {error}") from None
    stampers = tuple(
        Stamper(
            one.name, Peer(one.url), Path(one.roots),
            one.login.read(name="evidence.timestamps.login", base=Path()) if one.login else "",
        )
        for one in table.timestamps
    )  # fmt: skip
    anchor = Path(table.anchor) if table.anchor else None
    return Vouching(asked, stampers, anchor, table.vouch_every)


def ladder(config: Config) -> Ladder:
    """The rungs of the file, or the built-in ones. Raises `ConfigError`."""
    respond = config.respond
    if not config.ladder:
        built_in = default_ladder(shadow=respond.shadow)
        return Ladder(built_in.rungs, margin=respond.margin, deciders=respond.deciders)
    known = mitigations()
    own: dict[tuple[str, str], list[Rung]] = {("", ""): []}
    for rung in config.ladder:
        own.setdefault((rung.tier, rung.segment), []).append(
            Rung(
                name=rung.name,
                at=rung.at,
                alone=rung.alone,
                give=ordered(doses(rung), known),
                exposure=rung.exposure,
                uses=rung.uses,
                shadow=rung.shadow,
                needs=rung.needs,
                ttl_s=rung.ttl_s,
            )
        )
    everybody = own.pop(("", ""))
    cells = [Cell(tier, segment, tuple(rungs)) for (tier, segment), rungs in own.items()]
    try:
        return Ladder(
            everybody, margin=respond.margin, segments=respond.segments, cells=cells,
            deciders=respond.deciders,
        )  # fmt: skip
    except ValueError as error:
        raise ConfigError(str(error)) from None


def options(config: Config) -> Options:
    """What the mitigations of a service are set to, secrets resolved. Raises `ConfigError`."""
    respond, table = config.respond, config.respond.step_up
    step_up = None
    if table.url and table.secret is not None:
        step_up = StepUpSettings(
            url=table.url,
            secret=table.secret.read(name="respond.step_up.secret", base=Path()),
            nonce_s=table.nonce_s,
            verified_s=table.verified_s,
            alive_s=table.alive_s,
        )
    protect = config.protect
    always = tuple(Dose(dose.mitigation, dose.strength) for dose in protect.always)
    return Options(
        always=ordered(always, mitigations()) if always else (),
        formats=read_formats(Path(protect.formats)) if protect.formats else None,
        leak=_leak(protect),
        summaries=bool(protect.summary.url),
        contact=respond.contact,
        quota=respond.quota,
        vary=respond.vary,
        step_up=step_up,
        mark_engine=config.marks.engine,
        mark_ids=config.marks.contexts,
        mark_tokenizer=Path(config.marks.tokenizer) if config.marks.tokenizer else None,
    )


def sequencing(config: Config) -> Sequencing:
    """Who keeps the log. Raises `ConfigError`."""
    table = config.sequencer

    def path(text: str | None) -> Path | None:
        return Path(text) if text else None

    certificate, key, ca = path(table.certificate), path(table.private_key), path(table.ca)
    host, _, port = table.listen.rpartition(":")
    return Sequencing(
        (host.strip("[]"), int(port)) if table.listen else None,
        tuple(Peer(url, ca, certificate, key) for url in table.at),
        table.name, certificate, key, ca,
        table.lease.read(name="sequencer.lease", base=Path()) if table.lease else "",
        path(table.lease_file), table.standby,
    )  # fmt: skip


def _summary(table: SummaryTable) -> SummarySettings | None:
    """Who sums up, its key read. Raises `ConfigError`, and ValueError for a URL that is none."""
    if not table.url:
        return None
    secret = None
    if table.credential is not None:
        value = table.credential.read(name="protect.summary.credential", base=Path())
        secret = Secret("authorization", f"Bearer {value}")
    return SummarySettings(
        url=table.url, model=table.model, credential=secret, timeout=table.timeout_ms / 1000,
        max_tokens=table.max_tokens,
    )  # fmt: skip


def _leak(table: ProtectTable) -> LeakSettings:
    """What the leak guard protects, read. Raises `ConfigError`."""
    secrets: tuple[KnownSecret, ...] = ()
    if table.secrets is not None:
        secrets = read_secrets(Path(table.secrets)).secrets
    return LeakSettings(
        texts=tuple(_text(Path(path)) for path in table.texts),
        secrets=secrets,
        system_prompts=table.system_prompts,
        on_leak=table.on_leak,
    )


def _text(path: Path) -> str:
    """A protected text. Raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_TEXT + 1)
    except OSError as error:
        raise ConfigError(f"protect.texts: {path} cannot be read ({error.strerror})") from None
    if len(raw) > MAX_TEXT:  # before decoding: the cut may fall inside a character
        raise ConfigError(f"protect.texts: {path} is larger than {MAX_TEXT:,} bytes; split it")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"protect.texts: {path} is not UTF-8 text") from None
    if sum(map(str.isalpha, text)) < LEAST_LETTERS:
        raise ConfigError(
            f"protect.texts: {path} has fewer than {LEAST_LETTERS} letters, so honest answers"
            " would be taken for leaks of it; guard short secrets with `titer secrets add`"
        )
    return text


def doses(rung: RungTable) -> tuple[Dose, ...]:
    """What a rung gives, as it stands in the file."""
    return tuple(Dose(d.mitigation, d.strength, d.otherwise) for d in rung.give)


def _credential(upstream: UpstreamTable) -> Secret | None:
    if upstream.credential is None:
        return None
    value = upstream.credential.read(name="upstream.credential", base=Path())
    if upstream.credential_header:
        return Secret(upstream.credential_header, value)
    if upstream.dialect == "anthropic":
        return Secret("x-api-key", value)
    return Secret("authorization", f"Bearer {value}")
