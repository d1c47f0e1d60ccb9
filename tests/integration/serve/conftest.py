from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from titer.access import KeyBook
from titer.console.names import Names
from titer.evidence.log import View


class Service:
    """`titer serve` as a process, before the fake model server as another."""

    def __init__(self, data, wait) -> None:
        self.data = data
        self.wait = wait
        self.port = 0
        self.server: subprocess.Popen[bytes] | None = None
        self._heard = b""
        self.model = subprocess.Popen(
            [sys.executable, "-m", "titer.lab.upstream"], stdout=subprocess.PIPE
        )
        self.upstream = int(self.model.stdout.readline().rpartition(b":")[2])

    def start(self, *flags: str) -> None:
        """Start it on a port of its own choice: one that was looked for may be taken by then."""
        self._starts = self.started()
        self.server = subprocess.Popen(
            [
                sys.executable, "-m", "titer", "serve", "--port", "0", "--json",
                "--upstream", f"http://127.0.0.1:{self.upstream}", "--data", str(self.data),
                *flags,
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        told = self.server.stdout.readline()
        if not told:
            pytest.fail(f"the gateway ended: {self.server.communicate(timeout=120)[1].decode()}")
        self.port = int(json.loads(told)["url"].rpartition(":")[2])

    def began(self) -> None:
        """Wait until the log's first head shows that the analysis process has begun."""
        self.wait(lambda: self.started() > self._starts, what="the log's first head")

    def started(self) -> int:
        """How often an analysis process has begun to write this log, by its published entries."""
        try:
            return sum(s.kind == "start" for s in View.open(self.data / "log").scan())
        except FileNotFoundError:
            return 0

    def logged(self, kind: str = "exchange") -> list[dict]:
        """The published entries of a kind that were not erased."""
        try:
            log = View.open(self.data / "log")
        except FileNotFoundError:  # the analysis process has not begun
            return []
        return [json.loads(s.body) for s in log.scan() if s.kind == kind and s.body is not None]

    def says(self, text: str) -> bool:
        """Whether the text is among what it has written to standard error so far."""
        assert self.server is not None
        fd = self.server.stderr.fileno()
        os.set_blocking(fd, False)
        try:
            self._heard += os.read(fd, 1 << 20)
        except BlockingIOError:
            pass
        finally:
            os.set_blocking(fd, True)
        return text.encode() in self._heard

    def stop(self, *, sign: int = signal.SIGTERM) -> int:
        assert self.server is not None
        self.server.send_signal(sign)
        _, err = self.server.communicate(timeout=120)
        self.errors, self._heard = (self._heard + err).decode(), b""
        code, self.server = self.server.returncode, None
        return code

    def close(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.communicate(timeout=120)
        self.model.kill()
        self.model.communicate()

    def verb(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "titer", *words], capture_output=True, text=True, timeout=120,
            check=False, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip

    def json(self, *words: str):
        done = self.verb(*words, "--json")
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def key(self, org: str, *flags: str) -> str:
        """A key as the verb makes it; without flags in this process, which is quicker."""
        if flags:
            words = ("keys", "create", "--data", str(self.data), "--org", org, *flags)
            return self.json(*words)["key"]
        with KeyBook(self.data) as book:
            return book.create(org=org)[1]

    def ask(self, key: str, path: str = "/v1/chat/completions", patience: float = 60, **body):
        body = {"model": "fake", "messages": [{"role": "user", "content": "hello"}], **body}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=patience) as reply:
                return reply.status, dict(reply.headers), reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def standing(self, org: str):
        try:
            rows = json.loads((self.data / "state" / "standings.json").read_bytes())["rows"]
        except FileNotFoundError:
            return None
        name = Names(self.data).subject(org)
        return next((r for r in rows if r["standing"]["subject"] == name), None)


@pytest.fixture
def service(tmp_path, wait):
    one = Service(tmp_path / "data", wait)
    yield one
    one.close()


@pytest.fixture
def second_service(tmp_path, wait):
    """Another `titer serve`, with a data directory of its own."""
    one = Service(tmp_path / "second", wait)
    yield one
    one.close()
