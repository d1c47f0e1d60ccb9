"""The supervisor: a stop that comes early reaches everybody; a log that is held for a moment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from titer.core.errors import InputError
from titer.evidence.log import Log
from titer.gateway import workers
from titer.gateway.workers import check_free, soon

#: A supervisor whose children wait for a signal; another one comes at the named place.
SUPERVISOR = """
import os, signal, sys, types
from titer.gateway import workers
from titer.gateway.workers import STOPPING, Supervisor

def child(*_):
    signal.sigwait(STOPPING)

def stop():
    os.kill(os.getpid(), signal.SIGTERM)

where, forks = sys.argv[1], 0
real = Supervisor._fork

def fork(self, main, **more):
    global forks
    forks += 1
    if where.endswith(f"before {forks}"):
        stop()
    pid = real(self, main, **more)
    if where.endswith(f"after {forks}"):
        stop()
    return pid

Supervisor._fork = fork
workers.run_analysis = workers.run_worker = child
workers.listen = lambda settings: types.SimpleNamespace(close=lambda: None)
workers._share = stop if where == "at first" else lambda: None
workers.RESTART_PAUSE = 0.0
service = types.SimpleNamespace(workers=2, settings=None)
one = Supervisor(types.SimpleNamespace(service=service))

def wait():
    os.wait = waits
    print("started", flush=True)
    if where.endswith("4"):  # a process dies, and is to be started again
        os.kill(list(one._children)[0 if "analysis" in where else -1], signal.SIGKILL)
    else:
        stop()
    return waits()

waits, os.wait = os.wait, wait
print("ended", one.run(lambda: None), flush=True)
"""


@pytest.mark.parametrize(
    "where", ["at first", "before 1", "after 1", "before 2", "after 2", "before 3", "after 3",
              "never", "before 4", "after 4", "analysis before 4", "analysis after 4"],
)  # fmt: skip
def test_a_stop_at_any_moment_of_a_start_leaves_no_child(where):
    done = subprocess.run(
        [sys.executable, "-c", SUPERVISOR, where], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "ended 0"


def test_one_of_several_processes_tells_that_callers_can_connect(tmp_path):
    told = tmp_path / "told"
    once = workers.Once(lambda: told.open("a").write("x") and None)
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            once()
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    once()  # nor does a process that is started later
    assert told.read_text() == "x"


def test_a_log_that_a_verb_holds_for_a_moment_is_waited_for(tmp_path, monkeypatch):
    check_free(tmp_path / "none")
    log = Log.open(tmp_path / "log", origin="titer.test/workers")
    threading.Timer(0.2, log.close).start()
    check_free(tmp_path / "log")
    log = Log.open(tmp_path / "log")
    threading.Timer(0.2, log.close).start()
    soon(lambda: Log.open(tmp_path / "log"), 60.0).close()
    monkeypatch.setattr(workers, "FREE_WITHIN", 0.1)
    with Log.open(tmp_path / "log"), pytest.raises(InputError, match="another process writes"):
        check_free(tmp_path / "log")


def test_what_is_held_for_good_is_told():
    tries = []

    def held():
        tries.append(1)
        raise BlockingIOError

    with pytest.raises(BlockingIOError):
        soon(held, 0.12)
    assert len(tries) > 1
