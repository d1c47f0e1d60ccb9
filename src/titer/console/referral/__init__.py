"""Referral packs: what is handed to counsel, a partner or an authority, and how they check it.

pack        puts the files together and lists them by digest
custody     the case's steps, each with its place in the log, and every file's digest
atlas       the case as a MITRE ATLAS case study
verify.sh   checks a dossier with openssl, Go and Python, none of it ours
"""

from __future__ import annotations

from titer.console.referral.pack import Pack, refer

__all__ = ["Pack", "refer"]
