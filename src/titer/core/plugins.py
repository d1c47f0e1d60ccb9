"""Plug-ins beside the built-ins: named by entry points, loaded once, refused when unclear."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from titer.core.errors import ConfigError


class EntryPoint(Protocol):
    """The part of `importlib.metadata.EntryPoint` that is needed here."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...

    def load(self) -> Any: ...


def load(points: Iterable[EntryPoint], *, taken: Iterable[str]) -> dict[str, Callable[[], Any]]:
    """Factories of plug-ins by the name on their card, in the order of their entry points' names.

    An entry point names a class, or a function without parameters. `taken` are the built-ins'
    names. Raises `ConfigError` for a plug-in that cannot be loaded, has no card, or has the name
    of another: an operator who installs one must know whether it works.
    """
    found: dict[str, Callable[[], Any]] = {}
    names = set(taken)
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        where = f"plug-in {point.name} ({point.value})"
        try:
            make = point.load()
            card = make().card
        except Exception as error:
            raise ConfigError(
                f"{where} cannot be loaded ({type(error).__name__}): mend or uninstall its package"
            ) from error
        if card.name in names:
            raise ConfigError(f"{where}: the name {card.name} is taken; uninstall one of the two")
        names.add(card.name)
        found[card.name] = make
    return found
