"""`titer marks`: keys of marks, what an engine needs to plant them, and finding them in texts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from titer.cli.common import data_flag, json_flag, scheme_flags

_WHO = "an organisation, a key id or a pseudonym"


def register(verbs: Any) -> None:
    parser = verbs.add_parser("marks", help="plant and recognise marks in text, trace their keys")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _register_keys(actions)

    plant = actions.add_parser("plant", help="what an engine needs to plant an account's mark")
    plant.add_argument("account", metavar="ACCOUNT", help=_WHO)
    plant.add_argument(
        "--engine", metavar="E", required=True,
        choices=("sglang", "vllm", "vllm-engine", "transformers", "synthid", "llama-cpp"),
        help="sglang, vllm, vllm-engine, transformers, synthid or llama-cpp",
    )  # fmt: skip
    plant.add_argument("--epoch", metavar="N", type=int, help="default: the current one")
    scheme_flags(plant)

    recognise = actions.add_parser("recognise", help="is an account's mark in these texts?")
    recognise.add_argument("texts", metavar="FILE", nargs="+", type=Path, help="texts")
    recognise.add_argument(
        "--account", metavar="A", action="append", default=[], help="whose key; repeatable"
    )
    recognise.add_argument(
        "--key",
        metavar="REF",
        help="a 64-bit key in hex: file=PATH or env=NAME, instead of --data",
    )
    recognise.add_argument(
        "--contexts", metavar="FILE",
        help="score where marked replies had been alone: `log` for what `titer serve` recorded, "
        "or a file of `titer marks contexts`, for one --account and one --epoch",
    )  # fmt: skip
    _text_flags(recognise)

    trace = actions.add_parser("trace", help="whose mark is in these texts, among all accounts?")
    trace.add_argument("texts", metavar="FILE", nargs="+", type=Path, help="texts")
    trace.add_argument(
        "--accounts", metavar="FILE", type=Path,
        help="one account a line; default: those that the log has issued keys to",
    )  # fmt: skip
    trace.add_argument("--best", metavar="N", type=int, default=10, help="shown; default 10")
    _text_flags(trace)

    contexts = actions.add_parser(
        "contexts", help="keep which contexts an account's marked replies reached, keyed"
    )
    contexts.add_argument("texts", metavar="FILE", nargs="+", type=Path, help="marked replies")
    contexts.add_argument("--account", metavar="A", required=True, help="who got them")
    contexts.add_argument("--width", metavar="W", type=int, required=True, help="of its scheme")
    contexts.add_argument("--epoch", metavar="N", type=int, help="default: the current one")
    contexts.add_argument("--out", metavar="FILE", type=Path, required=True, help="added to")
    _tokenizer_flags(contexts)
    choose = actions.add_parser("choose", help="let an account's coins choose equivalent wordings")
    choose.add_argument("text", metavar="FILE", type=Path, help="UTF-8 text")
    choose.add_argument("--account", metavar="A", required=True, help="whose coins")
    chosen = actions.add_parser("chosen", help="whose coins chose the wordings of these texts?")
    chosen.add_argument("texts", metavar="FILE", nargs="+", type=Path, help="UTF-8 texts")
    chosen.add_argument(
        "--account", metavar="A", action="append", required=True, help="repeatable"
    )
    chosen.add_argument(
        "--level", metavar="P", type=float, default=1e-6,
        help="adjusted p-value from which coins count as found (default 1e-6)",
    )  # fmt: skip
    for action in (choose, chosen):
        action.add_argument(
            "--choices", metavar="FILE", type=Path, required=True, help="sets of wordings (JSON)"
        )
        action.add_argument("--width", metavar="W", type=int, default=1, help="0 or 1 (default)")
        action.add_argument("--epoch", metavar="N", type=int, help="default: the current one")

    schemes = actions.add_parser("schemes", help="the schemes of marks and their parameters")
    json_flag(schemes)
    for action in (plant, recognise, trace, contexts, choose, chosen):
        data_flag(action, required=action is not recognise)
        json_flag(action)


def run(arguments: argparse.Namespace) -> int:
    from titer.cli import marks_choices, marks_keys, marks_texts

    if arguments.action == "keys":
        return marks_keys.run(arguments)
    if arguments.action in {"choose", "chosen"}:
        return marks_choices.run(arguments)
    return marks_texts.run(arguments)


def _register_keys(actions: Any) -> None:
    parser = actions.add_parser("keys", help="make, rotate, escrow and reveal keys of marks")
    keys = parser.add_subparsers(dest="keys_action", metavar="ACTION", required=True)
    keys.add_parser("create", help="make the first master key and commit to it in the log")
    keys.add_parser("list", help="epochs and their commitments, never a key")
    rotate = keys.add_parser("rotate", help="begin an epoch with a new master key")
    rotate.add_argument(
        "--leaked", action="store_true",
        help="others may know the old one: log that it proves nothing from now on",
    )  # fmt: skip
    issue = keys.add_parser("issue", help="commit to an account's key in the log")
    issue.add_argument("account", metavar="ACCOUNT", help=_WHO)
    issue.add_argument("--epoch", metavar="N", type=int, help="default: the current one")
    leaked = keys.add_parser(
        "leaked", help="log that others may know an account's key, or a past epoch's master"
    )
    leaked.add_argument("account", metavar="ACCOUNT", nargs="?", help=_WHO)
    leaked.add_argument("--epoch", metavar="N", type=int, help="default: the current one")
    reveal = keys.add_parser(
        "reveal", help="print an account's secret, for whoever must verify it"
    )
    reveal.add_argument("account", metavar="ACCOUNT", help=_WHO)
    reveal.add_argument("--epoch", metavar="N", type=int, help="default: the current one")
    escrow = keys.add_parser("escrow", help="seal all keys to a second person's public key")
    escrow.add_argument(
        "--to", metavar="FILE", type=Path, required=True, help="X25519 public key (PEM)"
    )
    escrow.add_argument("--out", metavar="FILE", type=Path, required=True, help="sealed keys")
    restore = keys.add_parser("restore", help="bring keys back from escrow")
    restore.add_argument("sealed", metavar="FILE", type=Path, help="sealed keys")
    restore.add_argument(
        "--private", metavar="FILE", type=Path, required=True, help="X25519 private key (PEM)"
    )
    for action in keys.choices.values():
        data_flag(action)
        json_flag(action)


def _text_flags(parser: argparse.ArgumentParser) -> None:
    scheme_flags(parser)
    _tokenizer_flags(parser)
    parser.add_argument(
        "--epoch", metavar="N", type=int, action="append", help="default: every epoch; repeatable"
    )
    parser.add_argument(
        "--level", metavar="P", type=float, default=1e-6,
        help="adjusted p-value from which a mark counts as found (default 1e-6)",
    )  # fmt: skip


def _tokenizer_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tokenizer", metavar="FILE", type=Path,
        help="tokenizer.json or NAME.tiktoken of the marked model; without it, files of token ids",
    )  # fmt: skip
    parser.add_argument(
        "--fingerprint", metavar="SHA256", default="",
        help="what the tokenizer's vocabulary must hash to",
    )  # fmt: skip
