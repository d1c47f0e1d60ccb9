"""Writes texts down with classical ciphers and encodings of small packages by many authors.

    PYTHON evals/leaks/packages_write.py < texts.json > packages.jsonl

Which packages: all of PyPI whose summary has "classical cipher", "encodings and ciphers" (in
either order), "many cipher systems" or "text encoding and transformation" (`PACKAGES`; two more do
not install). PYTHON is an interpreter that has them; they are run here, nothing of them is kept.

Which functions: all, by name alone. A *pair* is two functions of one module, or two methods of one
class, whose names differ by encrypt and decrypt, encode and decode, encipher and decipher, or to
and from; a function without a counterpart counts as its own. Where the second argument is called a
name, a method or the like (`_NAMED`), each name in a list of that module is a pair of its own.
Arguments beyond the text are filled by their names (`_FILL`), the first ones that work. Modern
cryptography, compression, hashes, one-time pads and rotor machines are left out by their names
(`_LEFT_OUT`): nobody writes or reads them without a machine.

Kept is what the counterpart gives back: 80 % of the letters in order at least, of nine texts in
ten; texts are given as they are, else as small letters alone, else as capitals alone. Of functions
that write the same, the first is kept. Out: a line {tool, name, at, written}.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import itertools
import json
import os
import random
import re
import signal
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from codext_writes import kept, late, letters

SEED = 20261201
PACKAGES = {
    "ars-occultandarum-litterarum": "0.1.4", "catastrophe": "0.1.15", "cipherdex": "0.2.0",
    "cipherid-vwlau": "0.1.1", "classical-ciphers": "0.1.1", "cryptorama": "0.1.5",
    "disypher": "0.2.0", "encrypt-and-decrypt": "1.0.1",
    "iflow-mcp-joaodunas-parseltongue-mcp": "0.1.3", "libciphers": "0.1.0", "secretpy": "0.12.0",
}  # fmt: skip
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_PAIRS = (("encrypt", "decrypt"), ("encode", "decode"), ("encipher", "decipher"), ("to_", "from_"),
          ("enc", "dec"))  # fmt: skip
_LEFT_OUT = re.compile(
    r"aes|(?<![a-z])des|rsa(?![a-z])|rc[246]|chacha|salsa|fish|fernet|gcm|cbc|crypt_?file|file"
    r"|hash|md[245]|sha\d|hmac|diffie|elgamal|ecc|curve|kyber|one_?time|otp|vernam|enigma|lorenz"
    r"|rotor|zip|zlib|lzma|huffman|compress|image|audio|crack|break|brute|analy|detect|guess|test",
    re.IGNORECASE,
)
#: What an argument is filled with, by its name; else what any other is tried with.
_FILL: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (r"^(text|message|msg|plain|cipher|s$|string|data|input|value|content)", ()),
    (r"shift|rot|offset|step", (3,)),
    (r"rail|row|depth|col|width|size|period|block", (4,)),
    (r"alphabet", ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
    (r"^a$|alpha|mult|slope", (5,)),
    (r"^b$|beta|add|intercept", (8,)),
    (r"mode|direction", ("encrypt", "encode")),
)
_ELSE: tuple[Any, ...] = ("castle", "CASTLE", 3, (5, 8), ("castle", "garden"), [[3, 3], [2, 5]])
_NAMED = re.compile(
    r"lang|cipher|name|method|kind|scheme|algo|codec|type|encoding|transform|format"
)
#: Ways to fill arguments that are tried, seconds of one of them, names of a module at most.
TRIED, SECONDS, NAMES = 24, 8, 200


def main() -> int:
    texts = json.load(sys.stdin)
    signal.signal(signal.SIGALRM, late)
    out, sys.stdout = sys.stdout, Path(os.devnull).open("w")  # noqa: SIM115 - until the end
    os.chdir(tempfile.mkdtemp())
    seen: set[tuple[str, ...]] = set()
    for package in PACKAGES:
        for name, write, read in pairs(package):
            random.seed(SEED)
            made = many(write, read, texts)
            same = tuple("".join(one.split()).lower() for one in made[:3])
            if sum(map(bool, made)) < 0.9 * len(texts) or same in seen:
                continue
            seen.add(same)
            for at, one in enumerate(made):
                if one:
                    out.write(json.dumps({"tool": package, "name": name, "at": at,
                                          "written": one}) + "\n")  # fmt: skip
    return 0


def many(write: Callable[..., Any], read: Callable[..., Any], texts: list[str]) -> list[str]:
    """All texts as a pair writes them, empty where it cannot; fewer where the first ones fail."""
    for form in (str, small, capitals):
        for values in fillings(write):
            made: list[str] = []
            signal.alarm(SECONDS)
            try:
                for text in texts:
                    made.append(written(write, read, values, form(text)))
                    if made.count("") > len(texts) // 10 or (len(made) <= 2 and not made[-1]):
                        break
            except TimeoutError:
                continue
            finally:
                signal.alarm(0)
            if sum(map(bool, made)) >= 0.9 * len(texts):
                return made
    return []


def small(text: str) -> str:
    """The letters of a text, small."""
    return letters(text)


def capitals(text: str) -> str:
    """The letters of a text, as capitals."""
    return letters(text).upper()


def written(
    write: Callable[..., Any], read: Callable[..., Any], values: tuple[Any, ...], text: str
) -> str:
    """What is made of a text; empty when it is nothing, or nobody could read it back."""
    try:
        made = write(text, *values)
        back = read(made, *values)
    except TimeoutError:
        raise
    except (Exception, SystemExit):  # noqa: BLE001 - what other people wrote may raise anything
        return ""
    spelt, back = as_text(made), as_text(back)
    if spelt == text or _CONTROL.search(spelt) or kept(letters(text), letters(back)) < 0.8:
        return ""
    return spelt


def as_text(value: Any) -> str:
    """Text as it would be served: lists with spaces between, of tuples the first."""
    if isinstance(value, bytes):
        return value.decode("ascii", "ignore")
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(v, (str, int)) for v in value):
        return " ".join(map(str, value))
    return ""


def fillings(function: Callable[..., Any]) -> Iterator[tuple[Any, ...]]:
    """Values for what a function asks for beyond the text, those named likeliest first."""
    try:
        wanted = [
            one
            for one in inspect.signature(function).parameters.values()
            if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
        ][1:]
    except (TypeError, ValueError):
        wanted = []
    needed = [one for one in wanted if one.default is one.empty]
    choices = [choice(one) for one in needed]
    yield from itertools.islice(itertools.product(*choices), TRIED)
    if not needed and wanted:  # a default may be no cipher at all
        yield from ((value,) for value in choice(wanted[0]))


def choice(wanted: inspect.Parameter) -> tuple[Any, ...]:
    """What one argument is tried with."""
    for pattern, values in _FILL:
        if re.search(pattern, wanted.name.lower()) and values:
            return (*values, *_ELSE)
    return (3, *_ELSE) if wanted.annotation in (int, "int") else _ELSE


def pairs(package: str) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """(name, how it is written, how it is read) of all that a package offers."""
    for module in modules(package):
        listed = names_in(module)
        for name, write, read in pairs_in(module):
            if _LEFT_OUT.search(f"{module.__name__.split('.', 1)[-1]}.{name}"):
                continue
            yield f"{module.__name__}.{name}", write, read
            for one in listed if is_named(write) else ():
                if not _LEFT_OUT.search(one):
                    yield f"{name} {one}", named(write, one), named(read, one)


def is_named(function: Callable[..., Any]) -> bool:
    """Whether a function's second argument is the name of what it shall do."""
    try:
        arguments = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return False
    return len(arguments) > 1 and _NAMED.search(arguments[1].lower()) is not None


def named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function whose second argument is a name."""

    def call(text: Any, *rest: Any) -> Any:
        return function(text, name, *rest)

    return call


def modules(package: str) -> Iterator[types.ModuleType]:
    """The modules of an installed package that can be imported."""
    for file in importlib.metadata.files(package) or ():
        parts = file.parts
        if file.suffix != ".py" or parts[0].startswith(("..", "test")) or "tests" in parts:
            continue
        name = ".".join(parts)[: -len(".py")].removesuffix(".__init__")
        if name.endswith("__main__") or _LEFT_OUT.search(parts[-1]):
            continue
        try:
            yield importlib.import_module(name)
        except (Exception, SystemExit):  # noqa: BLE001, S112
            continue


def names_in(module: types.ModuleType) -> list[str]:
    """Names that a module lists: keys of its tables and members of its lists, of five or more."""
    found: dict[str, None] = {}
    for value in vars(module).values():
        some = value if isinstance(value, (dict, list, tuple, set, frozenset)) else ()
        words = [one for one in some if isinstance(one, str) and len(one) > 2]
        if len(words) >= 5 and len(words) == len(some):
            found |= dict.fromkeys(sorted(words) if isinstance(some, (set, frozenset)) else words)
    return list(found)[:NAMES]


def pairs_in(
    module: types.ModuleType,
) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """The pairs of a module, of functions and of methods."""
    own = {
        n: v for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__
    }
    functions = {n: v for n, v in own.items() if inspect.isfunction(v) and not n.startswith("_")}
    yield from counterparts(functions, alone=True)
    for name, one in own.items():
        if inspect.isclass(one) and not name.startswith("_"):
            for made in instances(one):
                methods = {n: getattr(made, n) for n in dir(made) if not n.startswith("_")}
                methods = {n: m for n, m in methods.items() if callable(m)}
                for method, write, read in counterparts(methods, alone=False):
                    yield f"{name}.{method}", write, read


def counterparts(
    functions: dict[str, Callable[..., Any]], *, alone: bool
) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """Functions with what undoes them; `alone`: also those that may undo themselves."""
    paired: set[str] = set()
    lower = {name.lower(): name for name in functions}
    for name in sorted(functions):
        for there, back in _PAIRS:
            other = lower.get(name.lower().replace(there, back))
            if there in name.lower() and other is not None and name not in paired:
                paired |= {name, other}
                yield name, functions[name], functions[other]
    for name in sorted(set(functions) - paired) if alone else ():
        yield name, functions[name], functions[name]


def instances(one: type) -> Iterator[object]:
    """A class made with what it asks for: the first way that works."""
    try:
        wanted = list(inspect.signature(one).parameters.values())
    except (TypeError, ValueError):
        wanted = []
    needed = [w for w in wanted if w.default is w.empty and w.kind == w.POSITIONAL_OR_KEYWORD]
    for values in itertools.islice(itertools.product(*map(choice, needed)), TRIED):
        try:
            yield one(*values)
        except (Exception, SystemExit):  # noqa: BLE001, S112
            continue
        return


if __name__ == "__main__":
    sys.exit(main())
