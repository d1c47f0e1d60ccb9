"""The thread that has heads vouched for: what the anchor holds after the end."""

from __future__ import annotations

import threading

from titer.evidence.log import Log
from titer.gateway import vouching
from titer.gateway.vouchers import Vouching
from titer.gateway.vouching import Voucher


def test_the_anchor_holds_the_last_head_though_an_older_one_was_being_written(
    tmp_path, monkeypatch
):
    anchor = tmp_path / "anchor"
    reached, go = threading.Event(), threading.Event()
    write = vouching.files.replace

    def slow(path, data, **more):
        if threading.current_thread() is not threading.main_thread() and path == anchor:
            reached.set()
            assert go.wait(60)
        write(path, data, **more)

    monkeypatch.setattr(vouching.files, "replace", slow)
    with Log.open(tmp_path / "log", origin="titer.test/voucher") as log:
        log.append([("start", b"{}")])
        log.checkpoint()
        voucher = Voucher(log.directory, Vouching(anchor=anchor, every=0.01))
        voucher.start()
        assert reached.wait(60)
        log.append([("start", b"{}")])
        newest = log.checkpoint()
        threading.Timer(0.1, go.set).start()
        voucher.stop()
        assert anchor.read_text() == newest
        voucher._thread.join(60)
        assert anchor.read_text() == newest
    assert voucher.contradicted == ""
