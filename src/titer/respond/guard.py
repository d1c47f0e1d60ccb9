"""What happens when a mitigation itself fails: it is set aside, never the caller's traffic."""

from __future__ import annotations

from collections.abc import Iterable

from titer.core.errors import Refused
from titer.core.wire import Reply, Transform


class Faults:
    """Counts the faults of mitigations. One that has raised is `broken` until restart."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.last: dict[str, str] = {}

    def note(self, mitigation: str, error: Exception) -> None:
        """Remember a fault by the name of its exception: messages may hold a caller's text."""
        self.counts[mitigation] = self.counts.get(mitigation, 0) + 1
        self.last[mitigation] = type(error).__name__

    def broken(self, mitigation: str) -> bool:
        """Whether this mitigation has raised; the engine then gives a throttle instead."""
        return mitigation in self.counts


class Guarded:
    """A transform that cannot break a reply: after a fault the units pass as they came.

    `Refused` is not a fault: it is how a transform ends a reply on purpose.
    """

    def __init__(self, inner: Transform, mitigation: str, faults: Faults) -> None:
        self._inner = inner
        self._mitigation = mitigation
        self._faults = faults
        self._failed = False

    @property
    def last(self) -> bool:
        """Whether it comes after the transforms that take something out."""
        return bool(getattr(self._inner, "last", False))

    @property
    def wants(self) -> str:
        """What the transform waits to be told about; empty for most, always."""
        return "" if self._failed else getattr(self._inner, "wants", "")

    def told(self, answer: str | None) -> Iterable[Reply]:
        """Pass on what was asked for."""
        try:
            return tuple(self._inner.told(answer))  # type: ignore[attr-defined]
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001 - as in `feed`
            return self._fail(error)

    def over(self) -> Iterable[Reply]:
        """What the transform says when the reply is over; most say nothing."""
        over = getattr(self._inner, "over", None)
        if over is None or self._failed:
            return ()
        try:
            return tuple(over())
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001 - as in `feed`
            return self._fail(error)

    @property
    def held(self) -> int:
        return 0 if self._failed else self._inner.held

    def feed(self, unit: Reply) -> Iterable[Reply]:
        if self._failed:
            return (unit,)
        try:
            return tuple(self._inner.feed(unit))
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001 - the failure table: traffic flows
            return (*self._fail(error), unit)

    def flush(self) -> Iterable[Reply]:
        if self._failed:
            return ()
        try:
            return tuple(self._inner.flush())
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001
            return self._fail(error)

    def _fail(self, error: Exception) -> Iterable[Reply]:
        """Give up the transform, and what it still holds if it can be had."""
        self._failed = True
        self._faults.note(self._mitigation, error)
        try:
            return tuple(self._inner.flush())
        except Exception:  # noqa: BLE001
            return ()
