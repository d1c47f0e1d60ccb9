"""A referral pack: dossiers, pages, how to check them, the ATLAS form, and the chain of custody.

NAME.dossier NAME.html NAME.pdf   one of each for every campaign and caller of the case
log.pub                           the operator's verifier key: compare it over another channel
VERIFY.md verify.sh inclusion.go  how to check, with other people's tools
atlas-case-study.yaml             a form to complete
chain-of-custody.json             the case's steps, and every file's digest
MANIFEST.sha256                   for sha256sum -c
"""

from __future__ import annotations

import hashlib
import re
import time
import zipfile
from importlib import resources
from pathlib import Path

import msgspec

from titer.console import cases
from titer.console.explain import open_view
from titer.console.prove import Wanted, prove
from titer.console.referral.atlas import case_study
from titer.console.referral.custody import custody
from titer.console.render import report, to_html, to_pdf
from titer.core.errors import InputError
from titer.evidence.case import Case, Ref
from titer.evidence.intake import Entered
from titer.evidence.verify import Verified
from titer.evidence.verify import prove as open_dossier

#: Dossiers of one pack: each is up to 64 MiB, and somebody has to read them.
MAX_DOSSIERS = 50
#: The time of every file in a zip: the same case gives the same bytes but for what is signed anew.
_EPOCH = (1980, 1, 1, 0, 0, 0)

VERIFY = """# How to check this pack

1. **The key.** `log.pub` is the operator's verifier key as this pack says it. Get it over another
   channel too (a call, an earlier mail, the operator's site) and compare: a forger would have put
   his own key here.
2. **The files.** `sha256sum -c MANIFEST.sha256`
3. **The dossiers**, with openssl, Python and, where they are, Go and securesystemslib; none of it
   is the operator's or titer's:

   ```
   for d in *.dossier; do sh verify.sh "$d" log.pub || echo "DO NOT RELY ON $d"; done
   ```

   On Debian: `apt-get install openssl python3 golang-go golang-golang-x-mod-dev
   python3-securesystemslib`. With titer: `titer verify FILE --key "$(cat log.pub)"`, which checks
   more: that what is said agrees with the entries, and that nothing cited is hidden.
4. **The case's steps.** `chain-of-custody.json` says how.
5. **What it does not show** stands in each dossier, page and PDF. Read that part first.

HTML and PDF are renderings: what counts is the `.dossier` file. `atlas-case-study.yaml` is a form
in the shape of a MITRE ATLAS case study; what no log can know is left to be completed.
"""


class Pack(msgspec.Struct, frozen=True):
    """A pack that was written: where, how many files, and the digest of its manifest (hex)."""

    path: str
    files: int
    sha256: str
    entered: Entered


def refer(
    data: Path,
    name: str,
    out: Path,
    *,
    to: str,
    by: str,
    reporter: str = "",
    notes: bool = False,
    wanted: Wanted | None = None,
) -> Pack:
    """Write the pack of a case for `to` into `out` (a new folder, or a .zip), and log that.

    Raises `InputError`.
    """
    case = cases.find(data, name)
    if case.status == "closed":
        raise InputError(f"{case.id} is closed and takes no further step: open another case")
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise InputError(f"{out} is there already: name a new folder or file")
    if out.suffix != ".zip" and out.suffix:
        raise InputError(f"{out}: name a folder, or a file that ends in .zip")
    files, found = _dossiers(data, case, wanted or Wanted())
    log = open_view(data)
    log.publish()
    files["log.pub"] = f"{log.verifier}\n".encode()
    files["VERIFY.md"] = VERIFY.encode()
    ours = resources.files("titer.console.referral")
    for name_ in ("verify.sh", "inclusion.go"):
        files[name_] = (ours / name_).read_bytes()
    files["atlas-case-study.yaml"] = case_study(case.title, found, reporter=reporter).encode()
    at = time.time_ns() // 1000
    digests = {name_: hashlib.sha256(made).hexdigest() for name_, made in files.items()}
    chain = custody(log, case, digests, at=at, notes=notes)
    files["chain-of-custody.json"] = msgspec.json.format(msgspec.json.encode(chain), indent=1)
    lines = (f"{hashlib.sha256(made).hexdigest()}  {n}\n" for n, made in sorted(files.items()))
    manifest = "".join(lines).encode()
    files["MANIFEST.sha256"] = manifest
    _write(out, files)
    digest = hashlib.sha256(manifest).hexdigest()
    entered = cases.referred(data, case.id, to, Ref("pack", out.name, digest), by=by)
    return Pack(str(out), len(files), digest, entered)


def _dossiers(data: Path, case: Case, wanted: Wanted) -> tuple[dict[str, bytes], list[Verified]]:
    """A dossier made now for every campaign and caller of the case, with its renderings."""
    names = [*case.named("campaign"), *case.named("subject")]
    if not names or len(names) > MAX_DOSSIERS:
        raise InputError(
            f"a pack has 1 to {MAX_DOSSIERS} dossiers, {case.id} has {len(names)}: add campaigns "
            "or subjects with `titer case add`, or split the case"
        )
    files: dict[str, bytes] = {}
    found = []
    for name in names:
        made = prove(data, name, wanted)
        proven = open_dossier(made.dossier)
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", made.subject)[:80]
        page = report(proven)
        files[f"{stem}.dossier"] = made.dossier
        files[f"{stem}.html"] = to_html(page)
        files[f"{stem}.pdf"] = to_pdf(page)
        found.append(proven.verified)
    return files, found


def _write(out: Path, files: dict[str, bytes]) -> None:
    try:
        if out.suffix == ".zip":
            with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED) as pack:
                for name, made in sorted(files.items()):
                    entry = zipfile.ZipInfo(name, _EPOCH)
                    entry.external_attr = 0o600 << 16
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    pack.writestr(entry, made)
            return
        out.mkdir(parents=True, exist_ok=True)
        for name, made in files.items():
            (out / name).write_bytes(made)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from None
