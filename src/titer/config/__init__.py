"""What an operator decided: one strict file, and flags that win over it, as one frozen value."""

from titer.config.loading import DEFAULT_DATA, find, load, service
from titer.config.reference import reference
from titer.config.resolving import settings
from titer.config.sections import Config

__all__ = ["DEFAULT_DATA", "Config", "find", "load", "reference", "service", "settings"]
