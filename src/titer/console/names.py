"""From a name that an operator knows to the pseudonym that the log uses, and back."""

from __future__ import annotations

import re
from pathlib import Path

from titer.access.keys import KeyBook
from titer.access.secret import load_or_create
from titer.core.errors import InputError
from titer.core.ids import PSEUDONYM_DIGITS, Pseudonyms

_PSEUDONYM = re.compile(rf"[0-9a-f]{{{PSEUDONYM_DIGITS}}}")


class Names:
    """The names of one data directory's callers. Nothing here leaves the operator's machine."""

    def __init__(self, data: Path) -> None:
        if not data.is_dir():
            raise InputError(
                f"{data} is not a data directory; give the one that serve or feed use"
            )
        self._pseudonyms = Pseudonyms(load_or_create(data))
        self._known: dict[str, str] = {}
        self._by_key: dict[str, str] = {}
        self._inside: dict[str, str] = {}
        if (data / "access.db").exists():
            with KeyBook(data) as book:
                for record in book.list():
                    self._known[record.subject] = record.org or f"key {record.account}"
                    self._known.setdefault(record.principal, f"key {record.account}")
                    self._by_key[record.id] = record.subject
                    if record.principal != record.subject:
                        self._inside[record.principal] = record.subject

    def of(self, pseudonym: str) -> str:
        """The operator's name for a pseudonym, or "" when it has none."""
        return self._known.get(pseudonym, "")

    def organisation(self, account: str) -> str:
        """The organisation (its pseudonym) that an account with a key is in, or ""."""
        return self._inside.get(account, "")

    def subjects(self) -> list[str]:
        """The pseudonyms of all callers that have or had a key."""
        return list(self._known)

    def subject(self, name: str) -> str:
        """The one pseudonym that is weighed and marked under `name`: of those that it may mean the
        first that has a key, else that of an organisation. Raises `InputError`.
        """
        found = self.candidates(name)
        return next((one for one in found if one in self._known), found[0])

    def candidates(self, name: str) -> list[str]:
        """The pseudonyms that `name` may mean: itself, a key id, an organisation, an account.

        Raises `InputError` for what can be none of them.
        """
        if _PSEUDONYM.fullmatch(name):
            return [name]
        if not name.strip():
            raise InputError("that is no name of a caller: it is empty")
        if not name.isprintable():
            raise InputError("that is no name of a caller: it has characters that do not print")
        found = [self._by_key[name]] if name in self._by_key else []
        return [*found, self._pseudonyms.of("org", name), self._pseudonyms.of("principal", name)]
