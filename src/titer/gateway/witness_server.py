"""A witness as a service: C2SP tlog-witness over HTTP."""

from __future__ import annotations

import re
import signal
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from titer.evidence.witness import MAX_REQUEST, WitnessState
from titer.gateway.small_server import Answered, Asked, SmallServer

#: C2SP tlog-witness, Monitor Retrieval Mechanism.
_HEAD = re.compile(r"/([0-9a-f]{64})/checkpoint")


class WitnessServer:
    """Answers for one witness; each request opens the state anew."""

    def __init__(
        self, directory: Path, host: str, port: int, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._directory = directory
        keys = [
            str(one.witness) for one in WitnessState(directory).cosigners
        ]  # fails now, or never
        self.key, self.ml_dsa = keys[0], keys[1] if len(keys) > 1 else ""
        self.server = SmallServer(host, port, self._handle, limit=MAX_REQUEST, tls=tls)
        self.port = int(self.server.server_address[1])

    def run(self, *, ready: Callable[[int], None] = lambda _: None) -> None:
        """Serve until SIGTERM or SIGINT; call it in the main thread."""

        def stop(*_: Any) -> None:
            threading.Thread(target=self.server.shutdown, daemon=True).start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        ready(self.port)
        self.server.run()
        self.server.server_close()

    def _handle(self, asked: Asked) -> Answered:
        state = WitnessState(self._directory)
        try:
            if asked.path == "/add-checkpoint":
                if asked.method != "POST":
                    return Answered(405, b"POST a checkpoint\n")
                answer = state.add_checkpoint(asked.body)
            elif (found := _HEAD.fullmatch(asked.path)) and asked.method == "GET":
                answer = state.head(found[1])
            else:
                return Answered(
                    404, b"POST /add-checkpoint, or GET /SHA-256-OF-ORIGIN/checkpoint\n"
                )
        finally:
            state.close()
        return Answered(answer.status, answer.body, answer.content_type)
