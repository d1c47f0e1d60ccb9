"""A base for structs with a secret in them: printed or logged, they show none of it."""

from __future__ import annotations

import msgspec


class Unprinted(msgspec.Struct, frozen=True):
    """A frozen struct of which `repr` and `str` show the class alone."""

    def __repr__(self) -> str:
        """The name of the class."""
        return f"{type(self).__name__}(...)"

    __str__ = __repr__
