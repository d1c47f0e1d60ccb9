"""The demo's stage: a data directory, keys, and `titer serve` as a process of its own.

Verbs are run as a person would run them (`python -m titer VERB ...`), so that what the demo
shows is what anybody gets. Everything listens on 127.0.0.1, on ports of its own choice.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess  # our own interpreter with fixed arguments, never a shell
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import httptools
import msgspec

from titer.access.keys import KeyBook
from titer.core.errors import TiterError
from titer.lab.events import Account

#: Seconds that `titer serve` may take to answer `/healthz`, and to stop: one or two as a rule, ten
#: times as many where a machine has much else to do.
START_WITHIN = 60.0
STOP_WITHIN = 60.0

#: Seconds that any one verb may take: a few as a rule, a minute and more on a crowded machine.
VERB_WITHIN = 300.0

CONFIG = """\
# The demo's configuration. In production leave `shadow` at its default for the first week.
[respond]
shadow = false

# The built-in rungs, but for one thing: the built-in throttle asks a caller who acts with nobody
# for 13.3 bits, more than the 3,000 accounts of this demo can support. Here it asks for 7.75.
[[ladder]]
name = "attention"
at = 3.0
shadow = false

[[ladder]]
name = "logprobs"
at = 6.75
alone = 7.5
give = [{{ mitigation = "logprobs" }}]
shadow = false
ttl_s = 604_800

[[ladder]]
name = "throttle"
at = 7.0
alone = 7.75
give = [{{ mitigation = "logprobs" }}, {{ mitigation = "throttle", strength = 0.5 }}]
shadow = false

[[ladder]]
name = "refuse"
at = 20.0
give = [{{ mitigation = "refuse" }}]
needs = "person"
shadow = false

[detect]
hunt_every = {hunt_every}

[gateway]
trusted_proxies = ["127.0.0.1/32"]   # the player speaks for a proxy that knows the addresses
ja4_header = "x-ja4"
"""


class Stage:
    """Owns the directory and the server process; leaving the context stops the process."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.data.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def verb(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `titer WORDS` and wait; the caller judges the exit status."""
        return subprocess.run(  # noqa: S603 - see the import
            [sys.executable, "-m", "titer", *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=VERB_WITHIN,
            check=False,
        )

    def keys(self, accounts: Iterable[Account]) -> dict[str, str]:
        """One key per account, by the account's name."""
        with KeyBook(self.data) as book:
            return {
                account.name: book.create(org=account.org or account.name, tier=account.tier)[1]
                for account in accounts
            }

    def serve(self, upstream: str, *, hunt_every: float) -> None:
        """Start the gateway and wait until it answers. Raises `TiterError` when it does not."""
        config = self.folder / "titer.toml"
        config.write_text(CONFIG.format(hunt_every=hunt_every), encoding="utf-8")
        errors = (self.folder / "serve.log").open("wb")
        with errors:
            self._process = subprocess.Popen(  # noqa: S603 - see the import
                [
                    sys.executable, "-m", "titer", "serve", "--port", "0", "--json",
                    "--upstream", upstream, "--data", str(self.data), "--config", str(config),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )  # fmt: skip
        deadline = time.monotonic() + START_WITHIN
        self.port = self._told(self._process)
        while not healthy(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TiterError(f"the gateway did not start: {self.said()}")
            time.sleep(0.05)

    def _told(self, process: subprocess.Popen[bytes]) -> int:
        """The port that the gateway chose, by its first line. Raises `TiterError`."""
        assert process.stdout is not None
        with process.stdout as out:
            ready, _, _ = select.select([out], [], [], START_WITHIN)
            line = out.readline() if ready else b""
        try:
            return int(msgspec.json.decode(line)["url"].rpartition(":")[2])
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError):
            raise TiterError(f"the gateway did not start: {self.said()}") from None

    def said(self) -> str:
        """The last lines of the gateway's own messages."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "serve.log").read_text("utf-8", "replace").splitlines()
            return " / ".join(lines[-5:]) or "it said nothing"
        return "it said nothing"

    def stop(self) -> int:
        """Stop the gateway as an operator would (SIGTERM); returns its exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


class _Status:
    """Hears httptools; only the status is of interest."""


def healthy(port: int) -> bool:
    """Whether `/healthz` on loopback answers 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as peer:
            peer.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            parser = httptools.HttpResponseParser(_Status())
            parser.feed_data(peer.recv(4096))
            return int(parser.get_status_code()) == 200
    except (OSError, httptools.HttpParserError):
        return False


def command(words: Sequence[str], data: Path) -> str:
    """A verb as a person would type it, with the data directory by a short name."""
    shown = [os.fspath(word).replace(os.fspath(data), "DIR") for word in words]
    return " ".join(["titer", *shown])
