"""The first streams of a model of which nothing is known: kept until something tells.

A model whose prompt template opens the reasoning marks its end alone, so that a stream would show
all of it before the closing tag comes. Until `KNOWN` streams of a model have ended without such a
tag, a text is kept and leaves

* when a closing tag comes that nothing opened: what stood before it was reasoning;
* when the text begins with an opening tag, or the server sends reasoning in a field: it is a model
  that says where its reasoning begins;
* when the stream ends, or the text is longer than `MAX_KEPT`: it was the answer.
"""

from __future__ import annotations

from collections.abc import Callable

from titer.respond.reasoning.tags import TagChannel

#: Streams that ended as an answer after which a model is believed not to begin inside reasoning.
KNOWN = 3

#: Characters that are kept of one text; what is longer is believed to be an answer.
MAX_KEPT = 262_144


class HeldChannel:
    """One text. `make(took, lone)` gives its channel; `took` hears what is taken out, `lone` that
    a tag was closed that nothing opened, `plain` that the text was an answer, `opened` that it
    says itself where its reasoning begins; `apart()` says whether the server has sent reasoning
    in a field.
    """

    def __init__(
        self,
        make: Callable[[Callable[[str], None], Callable[[], None]], TagChannel],
        *,
        took: Callable[[str], None],
        lone: Callable[[], None],
        plain: Callable[[], None],
        opened: Callable[[], None],
        apart: Callable[[], bool],
    ) -> None:
        self._channel = make(self._heard, self._closed)
        self._channel.held = True
        self._took = took
        self._lone = lone
        self._plain = plain
        self._opened = opened
        self._apart = apart
        self._kept: list[str] = []
        self._size = 0

    def push(self, text: str) -> str:
        out = self._channel.push(text)
        if not self._channel.held:
            return self._let_go() + out
        self._kept.append(out)
        self._size += len(out)
        if self._apart() or self._size > MAX_KEPT:
            self._channel.held = False
            return self._let_go()
        return ""

    def close(self) -> str:
        out = self._channel.close()
        if self._channel.held:
            self._channel.held = False
            self._plain()
        return self._let_go() + out

    def _let_go(self) -> str:
        kept = "".join(self._kept)
        self._kept.clear()
        self._size = 0
        return kept

    def _heard(self, text: str) -> None:
        if self._channel.held and not "".join(self._kept).strip():
            self._channel.held = False
            self._opened()
        self._took(text)

    def _closed(self) -> None:
        if self._channel.held:
            self._took(self._let_go())
        self._lone()
