"""The half of `titer match` that goes over HTTP: answer partners, and ask one."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli.common import counted, data_flag, json_flag, plain, show, tell
from titer.core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from titer.config.matching import MatchPartnerTable, MatchTable
    from titer.config.secrets import SecretRef
    from titer.console.matching import Choice
    from titer.gateway.sharing.match_server import Partner

ACTIONS = ("serve", "ask")
#: Characters of a token, at least: a guess must not be worth trying.
MIN_TOKEN = 32
#: Seconds between two looks at whether the log has grown, and for an answer.
REFRESH, DEADLINE = 600.0, 60.0


def register(actions: Any) -> None:
    serve = actions.add_parser("serve", help="answer the partners of titer.toml over HTTP")
    serve.add_argument("--port", metavar="P", type=int, help="port to listen on (default 8444)")
    ask = actions.add_parser("ask", help="ask a partner of titer.toml over HTTP")
    ask.add_argument(
        "--with", dest="partner", metavar="PARTNER", required=True,
        help="its name under [match.partners]",
    )  # fmt: skip
    for one in (serve, ask):
        one.add_argument("--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)")
        data_flag(one)
        json_flag(one)


def run(arguments: argparse.Namespace) -> int:
    return _serve(arguments) if arguments.action == "serve" else _ask(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    import signal
    import threading

    from titer.console.matching import Holdings, Runs, note
    from titer.gateway.sharing.match_server import Desk, server
    from titer.gateway.tls import listening

    table = _table(arguments, {"match.port": arguments.port})
    may_ask = {n: p for n, p in table.partners.items() if p.token is not None or p.subject}
    partners = [_partner(name, row) for name, row in may_ask.items()]
    _check_partners(partners)
    held = Holdings(arguments.data, {name: _choice(row) for name, row in may_ask.items()})
    runs = Runs(arguments.data)

    def log(partner: Partner, session: str, own: int, points: int) -> None:
        said = {"partner": partner.name, "own": own, "points": points,
                "count_only": partner.counted, "over": "http"}  # fmt: skip
        note(arguments.data, "match answer", session, said)

    desk = Desk(
        partners, sender=table.sender, own=held.of, note=log,
        runs=lambda name, days: runs.of(name, time.time_ns() // 1000, days),
    )  # fmt: skip
    tls = None
    if table.certificate is not None:
        clients = None if table.clients is None else Path(table.clients)
        tls = listening(table.certificate, table.private_key, clients=clients)
    try:
        made = server(desk, table.host, table.port, tls)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {table.host} port {table.port}: {error.strerror}; choose another"
        ) from None
    stop = threading.Event()

    def end(*_: Any) -> None:
        stop.set()
        threading.Thread(target=made.shutdown, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    fresh = threading.Thread(target=held.keep_fresh, args=(stop, REFRESH), daemon=True)
    fresh.start()
    host = f"[{table.host}]" if ":" in table.host else table.host
    url = f"{'https' if tls else 'http'}://{host}:{made.server_address[1]}/"
    if arguments.json:
        show({"url": url, "partners": len(partners)})
        sys.stdout.flush()
    else:
        tell([f"titer matches at {url} with {counted(len(partners), 'partner')}"], error=True)
    try:
        made.run()
    finally:
        made.server_close()
        stop.set()
        fresh.join(5)
    return 0


def _ask(arguments: argparse.Namespace) -> int:
    import msgspec

    from titer.config import find, load
    from titer.console.matching import note, own
    from titer.evidence.share import matching
    from titer.gateway.sharing.outbound import Reach, SendError, ask, target

    config = load(find(arguments.data, arguments.config))
    name = arguments.partner
    row = config.match.partners.get(name)
    if row is None or not row.url:
        raise ConfigError(f"[match.partners.{name}] has no url in titer.toml: nobody to ask")
    reach = Reach(
        hosts=config.share.hosts, private=config.share.private_hosts, ca=config.share.ca,
        certificate=config.match.certificate, private_key=config.match.private_key,
    )  # fmt: skip
    goal = target(row.url.rstrip("/") + "/match", reach)
    headers = {"content-type": "application/json"}
    if row.ask_token is not None:
        headers["authorization"] = f"Bearer {_secret(name, 'ask_token', row.ask_token)}"
    mine = own(arguments.data, _choice(row))
    if not mine:
        raise InputError(
            f"nothing that may leave is of the kinds of [match.partners.{name}]; `titer share "
            "stix` says what is withheld and why"
        )
    if len(mine) > matching.MOST:
        raise InputError(f"{len(mine)} indicators are more than {matching.MOST}: name campaigns")
    made, state = matching.offer(mine, sender=config.match.sender, partner=name)
    said = {"partner": name, "own": len(mine), "over": "http"}
    note(arguments.data, "match offer", made.session, said)
    reply = ask(
        "POST", goal, headers=headers, body=msgspec.json.encode(made), reach=reach,
        limit=matching.MAX_FILE, deadline=DEADLINE,
    )  # fmt: skip
    if reply.status != 200:
        raise SendError(f"{goal.host}: answered {reply.status}{_why(reply.data)}", again=False)
    got = matching.read_answer(reply.data)
    shared = matching.finish(state, got)
    done = {"partner": name, "shared": shared.count, "offered": shared.offered, "over": "http"}
    note(arguments.data, "match finish", state.session, done)
    return tell_shared(shared, name, counted=got.counted, json=arguments.json)


def tell_shared(shared: Any, partner: str, *, counted: bool, json: bool) -> int:
    """Print what is shared; returns the exit status."""
    if json:
        show({"partner": partner, "shared": shared.count, "offered": shared.offered,
              "indicators": shared.indicators, "count_only": counted})  # fmt: skip
    else:
        how = "" if not counted else "; the partner answered how many, not which"
        tell([f"{shared.count} of {shared.offered} are shared with {partner}{how}",
              *(f"  {one}" for one in shared.indicators)])  # fmt: skip
    return 1 if shared.count else 0


def _table(arguments: argparse.Namespace, flags: dict[str, Any]) -> MatchTable:
    from titer.config import find, load

    return load(find(arguments.data, arguments.config), flags).match


def _partner(name: str, row: MatchPartnerTable) -> Partner:
    from titer.gateway.sharing.match_server import Partner

    token = "" if row.token is None else _secret(name, "token", row.token)
    return Partner(
        name=name, token=token, subject=row.subject, most=row.most, day=row.per_day,
        month=row.per_month, counted=row.count_only,
    )  # fmt: skip


def _check_partners(partners: list[Partner]) -> None:
    """Raise `ConfigError` unless every request can be only one partner's."""
    if not partners:
        raise ConfigError("nobody may ask: add a partner as [match.partners.NAME] with a token")
    tokens = [p.token for p in partners if p.token]
    subjects = [p.subject for p in partners if p.subject and not p.token]
    if len(set(tokens)) < len(tokens) or len(set(subjects)) < len(subjects):
        raise ConfigError("two partners have one token or one subject: give each its own")


def _choice(row: MatchPartnerTable) -> Choice:
    from titer.console.matching import Choice

    where = None if row.addresses is None else Path(row.addresses)
    return Choice(row.kinds, row.k, row.campaigns, where)


def _secret(name: str, key: str, ref: SecretRef) -> str:
    where = f"match.partners.{name}.{key}"
    token = ref.read(name=where, base=Path())
    if len(token) < MIN_TOKEN:
        raise ConfigError(f"{where}: has fewer than {MIN_TOKEN} characters")
    return token


def _why(data: bytes) -> str:
    import msgspec

    with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
        return f": {plain(msgspec.json.decode(data, type=dict[str, str])['error'][:300])}"
    return ""
