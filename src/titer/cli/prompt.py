"""`titer prompt`: lint, harden, attack and check system prompts, and find whose canary leaked."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli.common import data_flag, json_flag, read_file, show, tell
from titer.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from titer.lab.prompt_meaning import Meaning
    from titer.lab.prompt_probe import Outcome, Rate

#: Bytes of a prompt or a reply that is read from a file.
MAX_FILE = 4 * 1024 * 1024

#: Chance of a sighting above which `whose` calls nobody by name.
NAMED = -6.0


def register(verbs: Any) -> None:
    parser = verbs.add_parser("prompt", help="lint, harden and attack system prompts")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    lint = actions.add_parser("lint", help="say what is wrong with a prompt")
    _prompt(lint)
    lint.add_argument(
        "--skip", metavar="RULE", action="append", default=[], help="leave a rule out; repeatable"
    )

    harden = actions.add_parser("harden", help="write the prompt with rules that guard it")
    _prompt(harden)
    harden.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: print it")
    harden.add_argument("--canary", metavar="TEXT", default="", help="put this canary in")

    attack = actions.add_parser("attack", help="try to get the prompt out of a model")
    _prompt(attack)
    attack.add_argument("--url", metavar="URL", required=True, help="an OpenAI-compatible server")
    attack.add_argument("--model", metavar="NAME", required=True, help="the model to ask")
    attack.add_argument(
        "--key-env", metavar="NAME", help="environment variable with the server's API key"
    )
    attack.add_argument("--attacks", metavar="FILE", type=Path, help="JSON Lines instead of ours")
    attack.add_argument(
        "--also-hardened", action="store_true", help="try the hardened prompt as well, beside it"
    )

    leak = actions.add_parser("leakcheck", help="say how much of a prompt is in texts")
    _prompt(leak)
    leak.add_argument("replies", metavar="REPLY", nargs="+", type=Path, help="texts to look in")
    leak.add_argument(
        "--meaning", action="store_true", help="also look for translations (needs titer[meaning])"
    )

    canary = actions.add_parser("canary", help="issue a canary for one caller")
    canary.add_argument("subject", metavar="SUBJECT", help="as for `titer explain`")
    canary.add_argument(
        "--kind", choices=("token", "phrase", "number"), default="phrase", help="default: phrase"
    )

    whose = actions.add_parser("whose", help="name the caller whose canary is in a text")
    whose.add_argument("text", metavar="TEXT", type=Path, help="the text that was found")

    for action in (canary, whose):
        action.add_argument("--epoch", metavar="WORD", default="", help="of the canary")
        data_flag(action)
    for action in actions.choices.values():
        json_flag(action)


def run(arguments: argparse.Namespace) -> int:
    return int(_ACTIONS[arguments.action](arguments))


def _lint(arguments: argparse.Namespace) -> int:
    from titer.respond.prompt_lint import lint

    try:
        remarks = lint(_read(arguments.prompt), skip=arguments.skip)
    except ValueError as error:
        raise InputError(str(error)) from None
    if arguments.json:
        show({"remarks": remarks})
    else:
        tell(
            f"{arguments.prompt}:{r.line or ''}{':' if r.line else ''} {r.level}: {r.message}"
            f" [{r.rule}]"
            for r in remarks
        )
        if not remarks:
            tell([f"{arguments.prompt}: nothing to mend"])
    return 1 if remarks else 0


def _harden(arguments: argparse.Namespace) -> int:
    from titer.respond.harden import rules

    text = f"{_read(arguments.prompt).rstrip()}\n\n{rules(arguments.canary)}\n"
    if arguments.output is not None:
        try:
            arguments.output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write {arguments.output}: {error.strerror}") from None
    if arguments.json:
        show({"prompt": text})
    elif arguments.output is None:
        sys.stdout.write(text)
    else:
        tell([f"{arguments.output}: try it with: titer prompt attack {arguments.output}"])
    return 0


def _attack(arguments: argparse.Namespace) -> int:
    from titer.lab import prompt_attacks
    from titer.lab.prompt_probe import Chat, probe, rates
    from titer.respond.harden import rules

    prompt = _read(arguments.prompt)
    if not prompt.strip():
        raise InputError(f"{arguments.prompt} is empty")
    attacks = (
        prompt_attacks.read(arguments.attacks) if arguments.attacks else prompt_attacks.ATTACKS
    )
    chat = Chat(arguments.url, arguments.model, key=_key(arguments.key_env))
    tried = {"as written": prompt}
    if arguments.also_hardened:
        tried["hardened"] = f"{prompt.rstrip()}\n\n{rules()}"
    told: dict[str, Any] = {}
    leaked = False
    for name, text in tried.items():
        # The judge looks for the author's own text in both: the rules added are no secret.
        outcomes = list(probe(attacks, text, ask=chat.ask, judge=_judge(prompt)))
        table = rates(outcomes)
        if not table[-1].tried:
            raise InputError(f"no attack got a reply: {outcomes[0].error}")
        leaked = leaked or table[-1].leaked > 0
        told[name] = {"rates": table, "outcomes": outcomes}
        if not arguments.json:
            tell(_table(name, table, outcomes))
    if arguments.json:
        show(told)
    return 1 if leaked else 0


def _leakcheck(arguments: argparse.Namespace) -> int:
    from titer.lab.prompt_probe import LEAKED

    prompt = _read(arguments.prompt)
    texts = {str(path): _read(path) for path in arguments.replies}
    judge = _judge(prompt)
    shares = {path: judge(text) for path, text in texts.items()}
    told = _meanings(prompt, texts) if arguments.meaning else {}
    if arguments.json:
        show({"leaked_from": LEAKED, "shares": shares} | ({"meaning": told} if told else {}))
    else:
        for path, share in shares.items():
            said = told.get(path)
            leaked = share >= LEAKED or (said is not None and said.leaked)
            more = "" if said is None else f"; in other words {said.said} of {said.of} sentences"
            tell([f"{path}: {share:.0%} of the prompt{more}{' - leaked' if leaked else ''}"])
    worst = max(shares.values()) >= LEAKED or any(said.leaked for said in told.values())
    return 1 if worst else 0


def _meanings(prompt: str, texts: dict[str, str]) -> dict[str, Meaning]:
    """What each text says of the prompt in other words."""
    from titer.lab.prompt_meaning import FEWEST, embedder, meaning_of, sentences

    few = len(sentences(prompt))
    if few < FEWEST:
        raise InputError(f"--meaning needs a prompt of {FEWEST} sentences; this one has {few}")
    judge = meaning_of(prompt, embedder())
    return {path: judge(text) for path, text in texts.items()}


def _canary(arguments: argparse.Namespace) -> int:
    from titer.console.canaries import issue
    from titer.gateway.assembly import origin

    made = issue(
        arguments.data, arguments.subject, arguments.kind, epoch=arguments.epoch,
        origin=origin(arguments.data),
    )  # fmt: skip
    if arguments.json:
        show(made)
    else:
        tell([made.text])
    return 0


def _whose(arguments: argparse.Namespace) -> int:
    from titer.console.canaries import canaries, committed, whose

    found = whose(arguments.data, _read(arguments.text), epochs=(arguments.epoch,))
    word = committed(arguments.data, canaries(arguments.data).commitment())
    since = word.at if word is not None else None
    named = [f for f in found if f.sighting.log10_p <= NAMED]
    if arguments.json:
        show({"found": found, "named": len(named), "committed_at": since})
    else:
        for f in found:
            s = f.sighting
            doubt = "" if f in named else " (may be chance: name nobody)"
            tell(
                [
                    (
                        f"{f.name or s.account}: {s.kind}, {s.found} of {s.of} parts, chance"
                        f" 10^{s.log10_p:.1f}{doubt}"
                    )
                ]
            )
        if not found:
            tell(["no canary of a known caller is in it"])
        elif since is None:
            tell(["the log does not commit to this key: whoever holds it could have made this up"])
    return 1 if named else 0


def _judge(prompt: str) -> Any:
    """How much of the prompt a text gives away, 0 to 1."""
    from titer.lab.prompt_share import share_of

    return share_of(prompt)


def _table(name: str, table: list[Rate], outcomes: Iterable[Outcome]) -> list[str]:
    lines = [f"{name}:"]
    lines += [
        f"  {r.technique:<12} {r.leaked:>4} of {r.tried:<4} leaked  [{r.low:.0%}, {r.high:.0%}]"
        for r in table
    ]
    failed = [o.error for o in outcomes if o.error]
    if failed:
        lines.append(f"  {len(failed)} without a whole reply, such as: {failed[0]}")
    return lines


def _prompt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", type=Path, help="file with the system prompt")


def _read(path: Path) -> str:
    try:
        return read_file(path, limit=MAX_FILE).decode()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None


def _key(variable: str | None) -> str:
    """The credential, by reference: never on the command line, where every user can read it."""
    if variable is None:
        return ""
    key = os.environ.get(variable, "")
    if not key:
        raise InputError(f"the environment variable {variable} is not set")
    return key


_ACTIONS = {
    "lint": _lint,
    "harden": _harden,
    "attack": _attack,
    "leakcheck": _leakcheck,
    "canary": _canary,
    "whose": _whose,
}
