"""The errors of titer, drawn:

    TiterError                      something the operator or a caller must act on
    |-- ConfigError                 titer.toml or a flag is wrong; nothing was started
    |-- InputError                  a file or a line that was handed to us is wrong
    |-- Refused                     a request is turned away (carries a `Problem`)
    |   `-- Again                   a whole reply is not served: ask once more, otherwise
    `-- EvidenceError               a proof, a log or a dossier does not hold

Builtins are used for everything else. Every message says what to do next.
`EvidenceError` is never caught inside titer except by the verb that reports it.
"""

from __future__ import annotations

from titer.core.wire import Problem, Request


class TiterError(Exception):
    """Base of the errors that a person is meant to read."""


class ConfigError(TiterError):
    """The configuration is wrong; the message names file, line and nearest key."""


class InputError(TiterError):
    """Material handed to titer (a log, a key file) cannot be read as what it claims to be."""


class EvidenceError(TiterError):
    """A signature, proof, log or dossier does not verify."""


class Refused(TiterError):  # noqa: N818 - it is an answer, not a fault
    """A request is turned away; `problem` is rendered in the caller's own dialect."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Again(Refused):
    """A whole reply must not leave, but another one may: the gateway forwards `request` in place
    of the first, once. Where it cannot, this is a refusal like any other.
    """

    def __init__(self, problem: Problem, request: Request) -> None:
        super().__init__(problem)
        self.request = request
