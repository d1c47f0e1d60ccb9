"""A verb gets its entry into the log while `titer serve` holds it."""

from __future__ import annotations

from titer.evidence.log import View
from titer.gateway.assembly import enter


def test_a_running_service_takes_what_verbs_hand_in(service):
    service.start()
    service.began()
    done = enter(service.data, "case", b'{"id":"c1"}', timeout=30)
    assert done.how == "handed over"
    service.stop()
    view = View.open(service.data / "log")
    assert (view.read(done.index).kind, view.read(done.index).body) == ("case", b'{"id":"c1"}')
    assert enter(service.data, "case", b'{"id":"c2"}').how == "appended"
