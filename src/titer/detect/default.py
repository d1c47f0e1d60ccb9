"""The calibration that titer ships: what scores would be worth, and never a dose.

It is made from the lab's honest worlds (`python -m evals default_calibration`), and no operator's
callers are exchangeable with those. So its bits are 0 by construction (`Calibration.default`), and
what a score would be worth is told for attention, until `titer calibrate` has seen real traffic.
"""

from __future__ import annotations

from importlib import resources

from titer.core.errors import ConfigError, InputError
from titer.detect.calibration import Calibration, load

NAME = "default_calibration.json"


def default_calibration() -> Calibration | None:
    """The shipped calibration, or None in an installation without one.

    Raises `ConfigError` when the file is damaged, or is not marked as a default.
    """
    file = resources.files("titer.detect").joinpath(NAME)
    try:
        found = load(file.read_bytes())
    except FileNotFoundError:
        return None
    except InputError as error:
        raise ConfigError(f"{NAME} of this installation: {error}; install titer again") from None
    if not found.default:
        raise ConfigError(f"{NAME} of this installation is no default; install titer again")
    return found
