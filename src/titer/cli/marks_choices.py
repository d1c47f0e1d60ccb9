"""`titer marks choose` and `chosen`: marks by equivalent wordings."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import msgspec

from titer.cli.common import read_file, show, tell
from titer.console.names import Names
from titer.core.errors import InputError
from titer.marks import keystore
from titer.marks.choices import MAX_TEXT, Agreement, Choices, load

#: Whose key the coins are tossed with: no pseudonym of an account looks like this.
_COINS = "choices of wordings"
#: Bytes of a file of sets.
_MAX_SETS = 4 << 20


def run(arguments: argparse.Namespace) -> int:
    ring = keystore.load(arguments.data)
    try:
        secret = ring.key(_COINS, arguments.epoch).secret
    except KeyError:
        raise InputError(
            f"there is no epoch {arguments.epoch}; see `titer marks keys list`"
        ) from None
    names = Names(arguments.data)
    try:
        sets = load(read_file(arguments.choices, limit=_MAX_SETS))
    except InputError as error:
        raise InputError(f"--choices {arguments.choices}: {error}") from None
    choices = Choices(secret, sets, width=arguments.width)
    if arguments.action == "choose":
        account = names.subject(arguments.account)
        marked = choices.plant(_text(arguments.text), account)
        if arguments.json:
            show({"account": account, "text": marked})
        else:
            sys.stdout.write(marked)
        return 0
    if not 0 < arguments.level < 1:
        raise InputError("--level lies between 0 and 1, such as 1e-6")
    accounts = [names.subject(account) for account in arguments.account]
    found = choices.recognise([_text(path) for path in arguments.texts], accounts)
    hit = any(a.holm_log10_p <= math.log10(arguments.level) for a in found)
    if arguments.json:
        show({"level": arguments.level, "results": [msgspec.structs.asdict(a) for a in found]})
    else:
        for a in found:
            tell([_said(names.of(a.account), a, len(found))])
    return int(hit)


def _said(name: str, found: Agreement, tried: int) -> str:
    return (
        f"{name or found.account}: {found.agreed} of {found.coins} coins agree; "
        f"p = 10^{found.log10_p:.1f}, adjusted for {tried} accounts 10^{found.holm_log10_p:.1f}"
    )


def _text(path: Path) -> str:
    try:
        return read_file(path, limit=4 * MAX_TEXT).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; convert it first") from None
