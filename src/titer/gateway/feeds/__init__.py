"""Other people's logs, read as if their traffic had passed through titer.

    file -> lines.Reader -> exchange.Maker (one `Format`) -> sink, then progress and report

`Feed` runs that path; `to_exchange` is one line of it. Everything read here is hostile.
"""

from __future__ import annotations

from titer.gateway.feeds.detect import FORMATS
from titer.gateway.feeds.exchange import Maker, to_exchange
from titer.gateway.feeds.run import Feed, FileReport, Options, Report, Sink

__all__ = ["FORMATS", "Feed", "FileReport", "Maker", "Options", "Report", "Sink", "to_exchange"]
