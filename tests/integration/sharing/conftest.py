from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from titer.access.secret import load_or_create
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Exchange, Origin, Principal
from titer.gateway.assembly import open_log

#: An hour ago: a partner holds what has not expired.
AT = time.time_ns() // 1000 - 3_600_000_000
JA4 = "t13d1516h2_8daaf6152771_b186095e22b6"


@pytest.fixture
def lab(tmp_path):
    """A data directory whose log has a campaign of 40 accounts and 200 other callers."""
    data = tmp_path / "lab-a"
    make(data)
    return data


def make(data):
    data.mkdir()
    of = Pseudonyms(load_or_create(data)).of
    thieves = [of("principal", f"thief-{n}") for n in range(40)]
    rows = [
        Exchange(f"x{n}", AT + n, Principal(who), "/v1/messages",
                 origin=Origin(net=of("net", "198.51.100.0/24"), asn=64_500, ja4=JA4))
        for n, who in enumerate(thieves)
    ]  # fmt: skip
    rows += [
        Exchange(f"h{n}", AT + n, Principal(of("principal", f"honest-{n}")), "/v1/messages",
                 origin=Origin(net=of("net", "192.0.2.0/24"), asn=64_600))
        for n in range(200)
    ]  # fmt: skip
    campaign = Campaign("c-1", tuple(sorted(thieves)), ("text",), ("origin",), 25.0,
                        "AML.T0024.002", AT, AT + 50, exchanges=40, tokens_out=4000)  # fmt: skip
    with open_log(data) as log:
        log.append([("exchange", msgspec.json.encode(row)) for row in rows])
        log.append([("campaign", msgspec.json.encode(campaign))])


@contextmanager
def verb(*words):
    """A verb that runs until it is stopped; gives the JSON of its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "titer", *map(str, words), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.stderr.read())
        yield json.loads(line)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(120)
        errors = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        assert process.returncode == 0, errors


@contextmanager
def peer(answer):
    """A hostile or friendly HTTP server: `answer(handler)` writes what it likes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def running():
    return verb


@pytest.fixture
def serving():
    return peer
