"""What a hunt has counted already, kept on disk so that an interrupted one goes on.

A stage is a folder of arrays under a name and the fingerprint of all that it depends on. It is
made under another name and renamed when whole; one that is there is right.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Of the arrays in a stage: those of another version are made anew.
LAYOUT = 2


class Stages:
    """Stages in a directory, or in a temporary one (None) that `close` removes."""

    def __init__(self, folder: Path | None) -> None:
        self._temporary = folder is None
        self.folder = folder if folder is not None else Path(tempfile.mkdtemp(prefix="titer-"))
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def folder_of(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of a stage; `make` fills it unless it is there."""
        done = self.folder / name
        if not done.is_dir():
            draft = self.folder / f"{name}.tmp"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700)
            make(draft)
            if not self._temporary:
                _sync(draft)
            draft.replace(done)
        return done

    def arrays_of(self, name: str, make: Callable[[], dict[str, Array]]) -> dict[str, Array]:
        """The arrays of a stage; `make` makes them unless they are there."""

        def fill(draft: Path) -> None:
            for key, array in make().items():
                np.save(draft / f"{key}.npy", array, allow_pickle=False)

        done = self.folder_of(name, fill)
        return {p.stem: np.load(p, allow_pickle=False) for p in done.glob("*.npy")}

    def forget(self, name: str) -> None:
        """Remove a stage that a later one has made needless."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def close(self) -> None:
        """Remove what was temporary."""
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _sync(folder: Path) -> None:
    """Have the disk hold what is in a folder, so that a name never shows half of it."""
    for path in folder.iterdir():
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def fingerprint(*parts: object) -> str:
    """A short name of values and arrays: the same for the same, another for others."""
    state = hashlib.blake2b(digest_size=10)
    for part in parts:
        data = np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else b""
        state.update(repr(part if not isinstance(part, np.ndarray) else part.shape).encode())
        state.update(b"\x00")
        state.update(data)
        state.update(b"\x01")
    return state.hexdigest()
