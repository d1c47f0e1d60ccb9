"""A verb gets its entry into the log while `titer serve` holds it, starts, or lost a process."""

from __future__ import annotations

import os
import signal
import threading

from titer.evidence.log import Log, View
from titer.gateway.assembly import enter, open_log


def test_a_running_service_takes_what_verbs_hand_in(service):
    service.start()
    service.began()
    done = enter(service.data, "case", b'{"id":"c1"}', timeout=30)
    assert done.how == "handed over"
    service.stop()
    view = View.open(service.data / "log")
    assert (view.read(done.index).kind, view.read(done.index).body) == ("case", b'{"id":"c1"}')
    assert enter(service.data, "case", b'{"id":"c2"}').how == "appended"


def test_a_verb_that_writes_for_a_moment_keeps_no_service_from_starting(service):
    log = open_log(service.data)
    threading.Timer(1.0, log.close).start()
    service.start()  # the port is its own only once the log is free
    service.began()
    assert service.stop() == 0


def test_a_verb_that_writes_while_analysis_restarts_does_not_end_the_service(service, wait):
    """A verb that waits for an answer takes the place of a holder that went away."""
    key = service.key("acme")
    service.start()
    service.began()
    with open(f"/proc/{service.server.pid}/task/{service.server.pid}/children") as file:
        analysis = min(map(int, file.read().split()))
    service.server.send_signal(signal.SIGSTOP)  # the supervisor restarts it when we have the log
    os.kill(analysis, signal.SIGKILL)

    def taken():
        try:
            return Log.open(service.data / "log")
        except BlockingIOError:
            return None

    log = wait(taken, what="the free log")
    index = log.append([("note", b'{"id":"n"}')])
    service.server.send_signal(signal.SIGCONT)
    threading.Timer(1.5, log.close).start()  # longer than the pause before a restart
    assert service.ask(key)[0] == 200
    done = enter(service.data, "case", b'{"id":"c1"}', timeout=60)
    assert (done.how, done.index > index) == ("handed over", True)
    kinds = lambda: {s.kind for s in View.open(service.data / "log").scan(index)}
    wait(lambda: "exchange" in kinds(), what="the request in the log")
    assert service.ask(key)[0] == 200
    assert service.stop() == 0
    assert service.verb("replay", "--data", str(service.data)).returncode == 0
