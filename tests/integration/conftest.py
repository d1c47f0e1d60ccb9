"""What tests beside real processes share: to wait, a loop that no pause disturbs, and ports."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import time
from types import SimpleNamespace

import pytest

from titer.cli import main

#: Seconds by which a steady loop's clock goes on at most, for whatever is not waiting.
STEP = 0.005


def wait_for(check, seconds: float = 120.0, *, what: str = "it"):
    """The first true result of `check`; fails after `seconds`, which only a fault takes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"{what} did not happen within {seconds} s")


@pytest.fixture(scope="session")
def wait():
    """`wait_for`, for tests."""
    return wait_for


class SteadySelector(selectors.DefaultSelector):
    """Keeps the time that a loop has spent waiting, and little more."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._last = time.monotonic()

    def select(self, timeout=None):
        events = super().select(timeout)
        last, self._last = self._last, time.monotonic()
        self.now += timeout if timeout and not events else min(self._last - last, STEP)
        return events


class SteadyLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands still while the machine does other things.

    Its timers run out when nothing has come for as long as they say: a machine that leaves this
    process alone for half a second lets no time-out of a tenth pass before the bytes that had
    been sent in time.
    """

    def __init__(self) -> None:
        self._clock = SteadySelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run_steadily(coroutine):
    """`asyncio.run` with such a loop."""
    with asyncio.Runner(loop_factory=SteadyLoop) as runner:
        return runner.run(coroutine)


@pytest.fixture(scope="session")
def steadily():
    """`run_steadily`, for tests."""
    return run_steadily


@contextlib.contextmanager
def reserved():
    """A port of this machine that the system gives to nobody else meanwhile: bound, and nobody
    listens. A server that sets SO_REUSEADDR, as all do, can take it.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="module")
def free():
    """Gives ports that nobody has, and that stay ours until the module's tests are over."""
    with contextlib.ExitStack() as held:
        yield lambda: held.enter_context(reserved())


def settle(data, *, marks=False):
    """Make a data directory whose secret is the same in every run, and with it whatever is drawn
    by it: who is of which half of a calibration, sketches, keys of marks. So a test of figures
    passes always or never. With `marks` the master of its mark keys is the same as well.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / "secret").touch(mode=0o600)
    (data / "secret").write_text(f"{7:064x}\n")
    if marks:
        with pytest.MonkeyPatch.context() as patch:
            master = SimpleNamespace(token_bytes=lambda size: b"m" * size)
            patch.setattr("titer.marks.keys.secrets", master)
            assert main(["marks", "keys", "create", "--data", str(data)]) == 0


@pytest.fixture(scope="session")
def settled():
    """`settle`, for tests."""
    return settle
