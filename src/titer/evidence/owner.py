"""Whose an entry's body is: the subject under whose key it is sealed.

    exchange            the organisation, else the account: the unit that is weighed
    transfer            the same, of who moved a repository's content
    finding, decision   their subject
    attention           the subject that showed what a partner had shared
    case                the case
    mark-key            the account whose key is committed to
    mark-contexts       the account whose replies reached them

Every other kind speaks about the log, the operator or many subjects at once (a campaign), and is
not sealed: of an erased subject, a campaign keeps its pseudonym.
"""

from __future__ import annotations

import msgspec


class _Principal(msgspec.Struct, frozen=True):
    id: str = ""
    org: str = ""


class _Exchange(msgspec.Struct):
    principal: _Principal = _Principal()


class _Subject(msgspec.Struct):
    subject: str = ""


class _MarkKey(msgspec.Struct):
    account: str = ""


class _Case(msgspec.Struct):
    case: str = ""
    id: str = ""


_EXCHANGE = msgspec.json.Decoder(_Exchange).decode
_SUBJECT = msgspec.json.Decoder(_Subject).decode
_MARK_KEY = msgspec.json.Decoder(_MarkKey).decode
_CASE = msgspec.json.Decoder(_Case).decode


def owner(kind: str, body: bytes) -> str:
    """The subject whose key seals this body, or "" for a body that is not sealed.

    A body that is not of its kind's form belongs to nobody, and is kept as it is.
    """
    try:
        if kind in ("exchange", "transfer"):
            principal = _EXCHANGE(body).principal
            return principal.org or principal.id
        if kind in ("finding", "decision", "attention"):
            return _SUBJECT(body).subject
        if kind in ("mark-key", "mark-contexts"):
            return _MARK_KEY(body).account
        if kind == "case":
            case = _CASE(body)
            return case.case or case.id
    except (msgspec.MsgspecError, ValueError):
        return ""
    return ""
