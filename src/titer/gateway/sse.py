"""Server-sent events cut out of a byte stream (WHATWG HTML, section 9.2.6).

A line ends in LF, CR LF or CR; an event ends in an empty line. The bytes of an event include its
empty line, so that the events joined are the stream again.
"""

from __future__ import annotations

import re

from titer.gateway.limits import EVENT_BYTES

_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE = re.compile(rb"\r\n|\n|\r")


class Splitter:
    """Collects a stream's events. `rest` is the event that is not complete yet.

    A CR at the very end of what has come may be half of CR LF: it waits for the next byte.
    """

    __slots__ = ("cap", "rest")

    def __init__(self, cap: int = EVENT_BYTES) -> None:
        self.rest = b""
        self.cap = cap

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes. Raises ValueError when one exceeds the cap."""
        seen = 0
        if self.rest:
            seen = max(0, len(self.rest) - 3)
            data = self.rest + data
        elif data[-2:] == b"\n\n" and b"\r" not in data and data.find(b"\n\n") == len(data) - 2:
            return [data]
        events = []
        start, end = 0, len(data)
        for blank in _BLANK.finditer(data, seen):
            stop = blank.end()
            if stop == end and data[stop - 1] == 13:
                break
            events.append(data[start:stop])
            start = stop
        self.rest = data[start:] if start else data
        if len(self.rest) > self.cap:
            raise ValueError("an event is longer than the cap")
        return events

    def end(self) -> bytes:
        """What the stream left unfinished."""
        rest, self.rest = self.rest, b""
        return rest


def payload(event: bytes) -> tuple[str, bytes | None]:
    """(event name, data) of one event; data is None when it has none (a comment)."""
    if event[:6] == b"data: " and event.find(b"\n") == len(event) - 2 and b"\r" not in event:
        return "", event[6:-2]
    name, data = "", []
    for line in _LINE.split(event.removeprefix(b"\xef\xbb\xbf")):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return name, b"\n".join(data) if data else None
