"""`titer serve` has its heads vouched for by itself, and refuses a disk that was rolled back."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from titer.evidence import cosignature
from titer.evidence.cosignature import Witness
from titer.evidence.log import View


@pytest.fixture
def witnessed(service, tmp_path):
    """A service whose configuration names an anchor, and a witness that runs."""
    made = service.verb("witness", "create", "--name", "w", "--data", str(tmp_path / "w"))
    assert made.returncode == 0, made.stderr
    service.key("acme")
    service.start()
    service.stop()  # makes the log, and its key
    key = (service.data / "log" / "log.pub").read_text().strip()
    assert service.verb("witness", "trust", key, "--data", str(tmp_path / "w")).returncode == 0
    witness = subprocess.Popen(
        [sys.executable, "-m", "titer", "witness", "serve", "--port", "0", "--json", "--data",
         str(tmp_path / "w")], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    told = json.loads(witness.stdout.readline())
    (service.data / "titer.toml").write_text(
        f'[evidence]\nanchor = "{tmp_path}/anchor"\nvouch_every = 0.5\n'
        f'[[evidence.witnesses]]\nkey = "{told["key"]}"\nurl = "http://127.0.0.1:{told["port"]}"\n'
    )
    yield Witness.parse(told["key"])
    witness.send_signal(signal.SIGTERM)
    witness.wait(timeout=120)
    witness.stdout.close()


@pytest.mark.slow
def test_heads_are_vouched_for_and_a_rolled_back_disk_is_refused(
    service, witnessed, tmp_path, wait
):
    key = service.key("acme")
    shutil.copytree(service.data / "log", tmp_path / "older")
    service.start()
    assert service.ask(key)[0] == 200
    log = service.data / "log"
    wait(lambda: len(View.open(log).vouched_sizes()) > 1, what="heads that others vouch for")
    time.sleep(1.5)  # some more rounds, in which nothing happens
    assert service.stop() == 0
    assert (tmp_path / "anchor").read_bytes() == (log / "checkpoint").read_bytes()
    view = View.open(log)
    vouched = view.vouched(view.vouched_sizes()[-1])
    assert vouched.signed.count("\u2014 w ") == 2  # one with each of its keys
    (one,) = cosignature.cosignatures(vouched.signed.encode(), [witnessed])
    assert one.name == "w"
    shutil.rmtree(log)
    shutil.copytree(tmp_path / "older", log)
    done = subprocess.run(
        [sys.executable, "-m", "titer", "serve", "--port", "0", "--upstream", "http://127.0.0.1:9",
         "--data", str(service.data)], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "rolled back" in done.stderr
    (tmp_path / "anchor").unlink()
    told = service.verb("check", "--data", str(service.data))
    assert "evidence" not in told.stderr
