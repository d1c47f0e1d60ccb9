"""The verbs. Each is one file that reads its arguments and calls a room.

Every verb takes `--json` and exits 0 (clean), 1 (something was found) or 2 (refused: the message
on standard error says what to do next).
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import titer
from titer.cli.common import tell
from titer.core.errors import TiterError

#: In the order in which `titer --help` lists them; each is a module of this package with
#: `register(subparsers)` and `run(arguments) -> int`.
VERBS = (
    "serve",
    "demo",
    "keys",
    "data",
    "standings",
    "level",
    "explain",
    "decide",
    "ladder",
    "feed",
    "calibrate",
    "hunt",
    "repositories",
    "prove",
    "verify",
    "render",
    "unseal",
    "marks",
    "case",
    "share",
    "taxii",
    "match",
    "erase",
    "log",
    "secrets",
    "witness",
    "audit",
    "replay",
    "prompt",
    "lab",
    "check",
)

#: What to do about a file that cannot be used, where the verb knows no better.
_NEXT = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path: a part of it is a file",
    errno.EISDIR: "name a file in it",
    errno.EACCES: "check its owner and mode, and which user this is",
    errno.EPERM: "check its owner and mode, and which user this is",
    errno.ENOSPC: "make room, then run it again",
    errno.EROFS: "name a place that can be written",
}


def build() -> argparse.ArgumentParser:
    """The whole command line (the documentation is checked against it)."""
    parser = argparse.ArgumentParser(
        prog="titer",
        description="Weigh what a caller has taken, lower what it can learn, and prove both.",
    )
    parser.add_argument("--version", action="version", version=f"titer {titer.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name in VERBS:
        importlib.import_module(f"titer.cli.{name}").register(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status. Only the verb that was asked for is imported."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in VERBS:
        parser = argparse.ArgumentParser(prog="titer")
        verbs = parser.add_subparsers(dest="verb")
        module = importlib.import_module(f"titer.cli.{words[0]}")
        module.register(verbs)
        arguments = parser.parse_args(words)
    else:
        arguments = build().parse_args(words)
        module = importlib.import_module(f"titer.cli.{arguments.verb}")
    try:
        data = getattr(arguments, "data", None)
        if isinstance(data, Path) and data.exists() and not data.is_dir():
            return _fail(f"{data} is a file; --data takes the directory that serve or feed use")
        return int(module.run(arguments))
    except TiterError as error:
        return _fail(str(error))
    except BrokenPipeError:  # the reader of our output has left: not an error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        what = error.strerror or type(error).__name__
        return _fail(f"{where}{what}; {_NEXT.get(error.errno or 0, 'nothing more was done')}")
    except RecursionError:
        return _fail("a file that was given is nested too deeply to be read")
    except UnicodeEncodeError as error:
        if error.encoding != "utf-8":  # not about a word, but about where it is to be printed
            return _fail("this terminal cannot show the result: use a UTF-8 locale, or --json")
        return _fail("a word of the command line is not UTF-8 text; give it as UTF-8")
    except Exception as error:
        if os.environ.get("TITER_DEBUG"):
            raise
        return _fail(f"internal error: {type(error).__name__}; set TITER_DEBUG=1 to see where")


def _fail(text: str) -> int:
    """Say in one line why a verb could not do its work; returns the exit status."""
    tell([f"titer: {text}"], error=True)
    return 2
