"""A witness as a service: C2SP tlog-witness over HTTP."""

from __future__ import annotations

import signal
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from titer.evidence.witness import MAX_REQUEST, WitnessState
from titer.gateway.small_server import Answered, Asked, SmallServer


class WitnessServer:
    """Answers for one witness; each request opens the state anew."""

    def __init__(
        self, directory: Path, host: str, port: int, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._directory = directory
        self.key = str(WitnessState(directory).cosigner.witness)  # fails now, not later
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
            elif asked.path.startswith("/head/") and asked.method == "GET":
                answer = state.head(asked.path.removeprefix("/head/"))
            else:
                return Answered(404, b"POST /add-checkpoint, or GET /head/SHA-256-OF-ORIGIN\n")
        finally:
            state.close()
        return Answered(answer.status, answer.body, answer.content_type)
