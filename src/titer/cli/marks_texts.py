"""`titer marks plant`, `recognise`, `trace` and `schemes`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from titer.audit import logged
from titer.cli.audit_parts import LOG
from titer.cli.common import read_file, show, tell
from titer.cli.marks_report import report
from titer.config.secrets import SecretRef
from titer.console.explain import open_view
from titer.console.names import Names
from titer.core.errors import InputError
from titer.evidence.files import replace
from titer.evidence.log import View
from titer.gateway.marking import KIND
from titer.marks import context_log, keystore, tokens
from titer.marks.context_log import ContextLog
from titer.marks.contexts import as_tokens
from titer.marks.contract import U32, Scheme
from titer.marks.hf_synthid import HfSynthid
from titer.marks.keys import Issued, MarkKey
from titer.marks.plugins.arguments import DELTA, KEY, WIDTH
from titer.marks.recognise import Evidence, Recognition, gather, judge, trace
from titer.marks.schemes import BUILTIN, scheme

#: Bytes of a text or of a file of ids.
MAX_TEXT = 512 << 20
#: Parameters of schemes that are secrets, and bytes of a file with one.
_SECRET = frozenset({"key_b", "keys"})
_MAX_PARAMETER = 65_536
#: Accounts of one tracing; times epochs they stay below `recognise.MAX_KEYS`.
MAX_ACCOUNTS = 1_000_000
#: Where planters for engines that run in one's own process are.
_PROCESSORS = {
    "transformers": "titer.marks.plugins.transformers_processor:Planter",
    "llama-cpp": "titer.marks.plugins.llama_cpp:planter",
}


def run(arguments: argparse.Namespace) -> int:
    actions = {
        "plant": _plant,
        "recognise": _recognise,
        "trace": _trace,
        "contexts": _contexts,
        "schemes": _schemes,
    }
    return actions[arguments.action](arguments)


def _contexts(arguments: argparse.Namespace) -> int:
    """Add the contexts of marked replies to a file."""
    account = Names(arguments.data).subject(arguments.account)
    log = _context_log(arguments, arguments.width, account, arguments.epoch)
    if arguments.out.exists():
        log.load(read_file(arguments.out, limit=context_log.MAX_FILE))
    log.add(_tokens(arguments)[0])
    replace(arguments.out, log.dump())
    if arguments.json:
        show({"out": str(arguments.out), "width": log.width, "contexts": len(log)})
    else:
        tell([f"{arguments.out}: {len(log)} contexts of {log.width} tokens, keyed."])
    return 0


def _context_log(
    arguments: argparse.Namespace, width: int, account: str, epoch: int | None
) -> ContextLog:
    try:
        key = keystore.load(arguments.data).key(account, epoch)
    except KeyError:
        raise InputError(f"there is no epoch {epoch}; see `titer marks keys list`") from None
    return ContextLog(key.secret, width)


def _plant(arguments: argparse.Namespace) -> int:
    """Print what to give the engine: request members, or settings for its start."""
    try:
        key = keystore.load(arguments.data).key(
            Names(arguments.data).subject(arguments.account), arguments.epoch
        )
    except KeyError:
        raise InputError(
            f"there is no epoch {arguments.epoch}; see `titer marks keys list`"
        ) from None
    marks = scheme_given(arguments)
    wanted: dict[str, Any]
    match arguments.engine:
        case "sglang":
            wanted = {"watermark": {
                "enabled": True, "key": f"{key.engine:016x}", "context_window": marks.width
            }}  # fmt: skip
        case "vllm":
            _only(marks, "kgw", "vllm takes a key by request for titer's logits processor alone")
            wanted = {"vllm_xargs": {
                KEY: f"{key.engine:016x}", WIDTH: marks.width, DELTA: marks.parameters["delta"]
            }}  # fmt: skip
        case "vllm-engine":
            wanted = {"key": key.engine, "algorithm": "gumbel", "context_width": marks.width}
            if marks.parameters.get("alpha"):
                wanted |= {"algorithm": "dual_key_gumbel", "alpha": marks.parameters["alpha"]}
        case "synthid":
            synthid = marks if isinstance(marks, HfSynthid) else HfSynthid()
            wanted = {
                "ngram_len": synthid.ngram_len,
                "keys": synthid.layers_of(key.engine),
                "sampling_table_size": synthid.table_size,
                "sampling_table_seed": synthid.table_seed,
            }
        case _:
            wanted = {
                "processor": _PROCESSORS[arguments.engine],
                "key": f"{key.engine:016x}",
                "scheme": marks.name,
                **marks.parameters,
            }
    show({"account": key.account, "epoch": key.epoch, "id": key.id, "engine": wanted}
         if arguments.json else wanted)  # fmt: skip
    return 0


def _recognise(arguments: argparse.Namespace) -> int:
    keys: list[MarkKey]
    if arguments.key:
        keys = [_given(arguments.key)]
    elif arguments.data is None or not arguments.account:
        raise InputError("say whose key: --data DIR with --account A, or --key file=PATH")
    else:
        names = Names(arguments.data)
        keys = _keys(arguments, [names.subject(account) for account in arguments.account])
    marks = scheme_given(arguments)
    if arguments.contexts is None:
        found, forms = _best_form(
            arguments, marks, lambda e: judge(marks, e, [key.engine for key in keys])
        )
    else:
        reached = _reached(arguments, marks.width, keys)
        keys = [key for key, _ in reached]
        found, forms = _best_form(arguments, marks, lambda e: logged.recognise(marks, e, reached))
    return report(arguments, marks, list(zip(keys, found, strict=True)), len(keys), forms)


def _reached(
    arguments: argparse.Namespace, width: int, keys: list[MarkKey]
) -> list[tuple[MarkKey, ContextLog]]:
    """Keys with the contexts that replies marked by them reached; of the log, those that have any.

    Raises InputError when none has.
    """
    if arguments.key:
        raise InputError("--contexts needs the account's secret: --data DIR with --account A")
    if arguments.contexts != LOG:
        if len(keys) != 1:
            raise InputError(
                "a file of contexts belongs to one --account and one --epoch of --data"
            )
        contexts = ContextLog(keys[0].secret, width)
        contexts.load(read_file(Path(arguments.contexts), limit=context_log.MAX_FILE))
        return [(keys[0], contexts)]
    view = open_view(arguments.data)
    found = logged.all_from_log(view, keys, width, below=view.size)
    if not found:
        raise InputError(
            "the log holds no contexts that marked replies of this account reached; see "
            "`contexts` and `tokenizer` under [marks], or name a file of `titer marks contexts`"
        )
    return found


def _trace(arguments: argparse.Namespace) -> int:
    if arguments.best < 1:
        raise InputError("--best is how many accounts are shown, 1 at least")
    keys = _keys(arguments, _accounts(arguments))
    if not keys:
        raise InputError("the log has issued no key yet; name accounts with --accounts FILE")
    marks = scheme_given(arguments)
    numbers = np.array([key.engine for key in keys], np.uint64)
    owner = {key.engine: key for key in keys}
    found, forms = _best_form(
        arguments, marks, lambda e: trace(marks, e, numbers, best=arguments.best)
    )
    return report(arguments, marks, [(owner[f.key], f) for f in found], len(keys), forms)


def _schemes(arguments: argparse.Namespace) -> int:
    rows = {
        name: {f.name: None if f.required else f.default for f in msgspec.structs.fields(kind)}
        for name, kind in BUILTIN.items()
    }
    if arguments.json:
        show(rows)
        return 0
    for name, parameters in rows.items():
        said = " ".join(k if v is None else f"{k}={v}" for k, v in parameters.items())
        about = (sys.modules[BUILTIN[name].__module__].__doc__ or "").strip().split("\n")[0]
        tell([f"{name:<14} {said}", f"{'':<14} {about}"])
    return 0


def _best_form(
    arguments: argparse.Namespace, marks: Scheme, judged: Any
) -> tuple[list[Recognition], int]:
    """The results for the text form in which the mark is clearest, and how many were tried."""
    if not 0 < arguments.level < 1:
        raise InputError("--level lies between 0 and 1, such as 1e-6")
    results = [judged(evidence) for evidence in _evidence(arguments, marks)]
    best = min(results, key=lambda found: min((r.log10_p for r in found), default=0.0))
    return best, len(results)


def _evidence(arguments: argparse.Namespace, marks: Scheme) -> list[Evidence]:
    return [gather(marks, texts) for texts in _tokens(arguments)]


def _tokens(arguments: argparse.Namespace) -> list[list[U32]]:
    """The texts as ids, in each normal form in which any of them differs from what was given."""
    if arguments.tokenizer is None:
        return [[_ids(path) for path in arguments.texts]]
    tokenizer = tokens.load(arguments.tokenizer, expected=arguments.fingerprint)
    forms = [tokens.candidates(_text(path)) for path in arguments.texts]
    most = max(len(form) for form in forms)
    return [[tokenizer.encode(form[min(i, len(form) - 1)]) for form in forms] for i in range(most)]


def _text(path: Path) -> str:
    try:
        return read_file(path, limit=MAX_TEXT).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; convert it, or give token ids") from None


def _ids(path: Path) -> U32:
    data = read_file(path, limit=MAX_TEXT)
    try:
        return as_tokens(np.array(msgspec.json.decode(data, type=list[int]), np.int64))
    except (msgspec.MsgspecError, OverflowError):
        raise InputError(
            f"{path} is no JSON list of token ids; give --tokenizer FILE if it is text"
        ) from None


def _keys(arguments: argparse.Namespace, accounts: list[str]) -> list[MarkKey]:
    ring = keystore.load(arguments.data)
    numbers = arguments.epoch or [epoch.number for epoch in ring.epochs]
    if len(accounts) * len(numbers) > MAX_ACCOUNTS * 10 or len(accounts) > MAX_ACCOUNTS:
        raise InputError(f"at most {MAX_ACCOUNTS} accounts at once; trace them in parts")
    try:
        return [ring.key(account, number) for number in numbers for account in accounts]
    except KeyError as error:
        raise InputError(f"there is no epoch {error}; see `titer marks keys list`") from None


def _accounts(arguments: argparse.Namespace) -> list[str]:
    if arguments.accounts is not None:
        lines = _text(arguments.accounts).splitlines()
        names = Names(arguments.data)
        return list(dict.fromkeys(names.subject(line.strip()) for line in lines if line.strip()))
    try:
        view = View.open(arguments.data / "log")
    except FileNotFoundError:
        return []
    decode = msgspec.json.Decoder(Issued).decode
    entries = (decode(s.body) for s in view.scan(kinds=(KIND,)) if s.body is not None)
    return list(dict.fromkeys(entry.account for entry in entries if entry.account))


def _given(reference: str) -> MarkKey:
    """A key of 64 bits from a file or the environment."""
    where, _, name = reference.partition("=")
    if where not in {"file", "env"} or not name:
        raise InputError("--key takes file=PATH or env=NAME, never the key itself")
    text = SecretRef(**{where: name}).read(name="--key", base=Path())
    try:
        number = int(text, 16)
    except ValueError:
        number = 1 << 64
    if number >= 1 << 64:
        raise InputError("--key: this is no key of up to 16 hex digits")
    return MarkKey("", 0, number.to_bytes(8))


def scheme_given(arguments: argparse.Namespace) -> Scheme:
    """The scheme that `--scheme` and `--set` name. Raises `InputError`."""
    parameters: dict[str, Any] = {}
    for given in arguments.parameters:
        name, equals, value = given.partition("=")
        if not equals:
            raise InputError(f"--set takes NAME=VALUE, not {given!r}")
        if value.startswith("@"):
            value = read_file(Path(value[1:]), limit=_MAX_PARAMETER).decode("utf-8", "replace")
        elif name in _SECRET:
            raise InputError(
                f"{name} is a secret, and what stands on a command line is seen by others: put it "
                f"into a file and say --set {name}=@FILE"
            )
        try:
            parameters[name] = msgspec.json.decode(value)
        except msgspec.MsgspecError:
            parameters[name] = value.strip()
    return scheme(arguments.scheme, parameters)


def _only(marks: Scheme, name: str, why: str) -> None:
    if marks.name != name:
        raise InputError(f"{why}: use --scheme {name}")
