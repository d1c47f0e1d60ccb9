"""From a file and flags to a `Config`, and from that to what the rooms below take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from titer.access.address import ClientAddress
from titer.config.matching import rooted_match
from titer.config.reading import Source
from titer.config.sections import (
    Config,
    EvidenceTable,
    GatewayTable,
    ProtectTable,
    RespondTable,
    RungTable,
    SequencerTable,
    StepUpTable,
    SummaryTable,
    UpstreamTable,
)
from titer.config.sharing import rooted, rooted_share, rooted_taxii
from titer.core.errors import ConfigError, EvidenceError
from titer.core.nouns import Dose
from titer.evidence.cosignature import Witness
from titer.gateway.fetch import Peer
from titer.gateway.sequencers import Sequencing
from titer.gateway.settings import GatewaySettings, OpenRoute, Secret, SummarySettings
from titer.gateway.vouchers import Known, Stamper, Vouching
from titer.gateway.workers import Service
from titer.respond import Options
from titer.respond.compose import ordered
from titer.respond.ladder import Cell, Ladder, Rung, default_ladder
from titer.respond.leak_guard.secrets import read_secrets
from titer.respond.leak_guard.settings import KnownSecret, LeakSettings
from titer.respond.plugins import mitigations
from titer.respond.reasoning.formats import read_formats
from titer.respond.step_up import StepUpSettings

#: Where state is kept when `--data` is not given.
DEFAULT_DATA = Path("titer-data")
#: Bytes of one protected text, and the letters that it must have to be told from chance.
MAX_TEXT = 1_000_000
LEAST_LETTERS = 60
#: Settings of `[gateway]` that are not the data plane's own.
_ELSEWHERE = ("workers",)


def find(data: Path, given: Path | None) -> Path | None:
    """The file to read: the one given, else `titer.toml` of the data directory if it is there."""
    if given is not None:
        return given
    path = data / "titer.toml"
    return path if path.exists() else None


def load(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration; None is one of defaults.

    `overrides` are dotted names with values that win over the file (`{"gateway.port": 8080}`);
    values of None are left out.

    Paths in the result are absolute or relative to the working directory: those in the file
    are relative to its folder. The ladder is checked here too; secrets are read by `settings`.
    Raises `ConfigError` naming file, line and nearest key.
    """
    source = Source(path)
    for name, value in (overrides or {}).items():
        if value is not None:
            source.put(name, value)
    config = source.decode(Config)
    _check(config, source)
    base = path.parent if path is not None else Path()
    return msgspec.structs.replace(
        config,
        upstream=_rooted_upstream(config.upstream, base),
        gateway=_rooted_gateway(config.gateway, base),
        respond=_rooted_respond(config.respond, base),
        share=rooted_share(config.share, base),
        taxii=rooted_taxii(config.taxii, base),
        match=rooted_match(config.match, base),
        protect=_rooted_protect(config.protect, base),
        marks=msgspec.structs.replace(
            config.marks, tokenizer=_rooted(config.marks.tokenizer, base)
        ),
        evidence=_rooted_evidence(config.evidence, base),
        sequencer=_rooted_sequencer(config.sequencer, base),
    )


def _check(config: Config, source: Source) -> None:
    """What no table can see alone, while file and line are still known."""
    try:
        ClientAddress(config.gateway.trusted_proxies)
    except ConfigError as error:
        source.fail(("gateway", "trusted_proxies"), str(error))
    _check_doses(config, source)
    _check_always(config, source)
    try:
        ladder(config)
    except ConfigError as error:
        text = str(error)
        places = (i for i, rung in enumerate(config.ladder) if f"rung '{rung.name}'" in text)
        source.fail(("ladder", next(places, 0)), text)


def _check_doses(config: Config, source: Source) -> None:
    """That every dose exists, can work, and can be given beside the others of its rung."""
    known = mitigations()
    names = ", ".join(sorted(known))
    for i, rung in enumerate(config.ladder):
        for j, dose in enumerate(rung.give):
            for key in ("mitigation", "otherwise"):
                name = getattr(dose, key)
                if name and name not in known:
                    source.fail(
                        ("ladder", i, "give", j, key),
                        f"there is no such mitigation; known are {names}",
                    )
                if name == "mark" and not config.marks.engine:
                    source.fail(
                        ("ladder", i, "give", j, key),
                        "a mark needs an engine that plants it; set engine under [marks]",
                    )
                if name == "step_up" and not config.respond.step_up.url:
                    source.fail(
                        ("ladder", i, "give", j, key),
                        "step_up sends callers to a verification service: set url and secret"
                        " under [respond.step_up]",
                    )
        try:
            ordered(_doses(rung), known)
        except ValueError as error:
            source.fail(("ladder", i, "give"), str(error))


def _check_always(config: Config, source: Source) -> None:
    """Doses for everybody must exist, go together, and be fit for everybody."""
    known = mitigations()
    try:
        ordered((Dose(d.mitigation, d.strength) for d in config.protect.always), known)
    except ValueError as error:
        source.fail(("protect", "always"), str(error))
    for i, dose in enumerate(config.protect.always):
        if known[dose.mitigation].card.stage != "reply":
            text = "only what acts on replies can be given to everybody; the ladder gives the rest"
            source.fail(("protect", "always", i, "mitigation"), text)


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


def service(arguments: Any) -> Service:
    """What `titer serve` runs: the configuration under its flags, everything resolved.

    `arguments` has the attributes `data`, `config`, `upstream`, `host`, `port` and `workers`,
    each None when its flag was not given.
    """
    data = arguments.data or DEFAULT_DATA
    flags = {
        "upstream.url": arguments.upstream,
        "gateway.host": arguments.host,
        "gateway.port": arguments.port,
        "gateway.workers": arguments.workers,
    }
    config = load(find(data, arguments.config), flags)
    return Service(
        data=data,
        settings=settings(config),
        policy=config.parameters,
        ladder=ladder(config),
        options=options(config),
        tiers=dict(config.access.tiers),
        workers=config.gateway.workers,
        required=config.evidence.required,
        hunt_every=config.detect.hunt_every,
        telemetry=config.telemetry.endpoint,
        level=config.level,
        vouching=vouching(config),
        sequencing=sequencing(config),
    )


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
                give=ordered(_doses(rung), known),
                exposure=rung.exposure,
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


def _rooted_summary(table: SummaryTable, base: Path) -> SummaryTable:
    secret = table.credential
    if secret is None or secret.file is None:
        return table
    rooted = msgspec.structs.replace(secret, file=str(base / secret.file))
    return msgspec.structs.replace(table, credential=rooted)


def _rooted_protect(table: ProtectTable, base: Path) -> ProtectTable:
    return msgspec.structs.replace(
        table,
        formats=_rooted(table.formats, base),
        summary=_rooted_summary(table.summary, base),
        secrets=_rooted(table.secrets, base),
        texts=tuple(str(base / path) for path in table.texts),
    )


def _doses(rung: RungTable) -> tuple[Dose, ...]:
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


def _rooted_upstream(table: UpstreamTable, base: Path) -> UpstreamTable:
    credential = table.credential
    if credential is not None:
        credential = rooted(credential, base)
    return msgspec.structs.replace(table, credential=credential, ca=_rooted(table.ca, base))


def _rooted_respond(table: RespondTable, base: Path) -> RespondTable:
    secret = table.step_up.secret
    if secret is None or secret.file is None:
        return table
    rooted = msgspec.structs.replace(secret, file=str(base / secret.file))
    step_up: StepUpTable = msgspec.structs.replace(table.step_up, secret=rooted)
    return msgspec.structs.replace(table, step_up=step_up)


def _rooted_gateway(table: GatewayTable, base: Path) -> GatewayTable:
    return msgspec.structs.replace(
        table,
        certificate=_rooted(table.certificate, base),
        private_key=_rooted(table.private_key, base),
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


def _rooted_sequencer(table: SequencerTable, base: Path) -> SequencerTable:
    lease = table.lease
    if lease is not None and lease.file is not None:
        lease = msgspec.structs.replace(lease, file=str(base / lease.file))
    return msgspec.structs.replace(
        table,
        certificate=_rooted(table.certificate, base),
        private_key=_rooted(table.private_key, base),
        ca=_rooted(table.ca, base),
        lease=lease,
        lease_file=_rooted(table.lease_file, base),
    )


def _rooted_evidence(table: EvidenceTable, base: Path) -> EvidenceTable:
    replace = msgspec.structs.replace
    stampers = []
    for one in table.timestamps:
        login = one.login
        if login is not None and login.file is not None:
            login = replace(login, file=str(base / login.file))
        stampers.append(replace(one, roots=str(base / one.roots), login=login))
    return replace(
        table,
        anchor=_rooted(table.anchor, base),
        witnesses=tuple(replace(w, ca=_rooted(w.ca, base)) for w in table.witnesses),
        timestamps=tuple(stampers),
    )


def _rooted(path: str | None, base: Path) -> str | None:
    return None if path is None else str(base / path)
