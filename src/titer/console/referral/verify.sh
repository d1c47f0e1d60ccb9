#!/bin/sh
# Checks a dossier with other people's tools: openssl for the signature, Go's tlog for the tree, and
# securesystemslib for the envelope. Nothing of titer's is run, and nothing is fetched.
#
#   sh verify.sh FILE.dossier KEYFILE [ROOTS]
#
# KEYFILE holds the log's verifier key, one line; get it over another channel than the dossier. ROOTS
# (PEM) are those of a time stamping authority that you trust: then a stamp has to hold as well.
# Exit 0: every check that could be made holds.
set -eu

[ $# -ge 2 ] || { echo "usage: sh verify.sh FILE.dossier KEYFILE [ROOTS]" >&2; exit 2; }
dossier=$1
key=$(cat "$2")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refuse() { echo "REFUSED: $1" >&2; exit 1; }

check() {
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key.der" -rawin \
    -in "$work/$1" -sigfile "$work/$1.sig" >/dev/null 2>&1 || refuse "$2 does not hold"
  echo "ok  openssl: $2 holds"
}

# What DSSE signs (pae), its signature and your key as DER, by Python's standard library. The key is
# the one that you gave, never the one inside the file.
python3 - "$dossier" "$key" "$work" 2>/dev/null <<'END' || refuse "it cannot be read"
import base64, json, sys

envelope = json.load(open(sys.argv[1], "rb"))
raw = base64.b64decode(sys.argv[2].strip().split("+", 2)[2])
assert raw[0] == 1 and len(raw) == 33
payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
out = lambda file, data: open(f"{sys.argv[3]}/{file}", "wb").write(data)
out("pae", b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
out("pae.sig", base64.b64decode(envelope["signatures"][0]["sig"]))
out("key.der", bytes.fromhex("302a300506032b6570032100") + raw[1:])
out("payload", payload)
END
check pae "the signature over the dossier"

# The head of the log in what was signed, and its own signature by the same key.
python3 - "$work" "$key" 2>/dev/null <<'END' || refuse "its head is not of your key"
import base64, json, sys

predicate = json.load(open(f"{sys.argv[1]}/payload", "rb"))["predicate"]
log = predicate["log"]
assert log["key"] == sys.argv[2].strip()
name = log["key"].split("+")[0]
text, _, block = log["checkpoint"].rpartition("\n\n")
lines = [line.split(" ") for line in block.splitlines()]
mine = [base64.b64decode(signature) for _, who, signature in lines if who == name]
open(f"{sys.argv[1]}/head", "wb").write((text + "\n").encode())
open(f"{sys.argv[1]}/head.sig", "wb").write(mine[0][4:])
# What was stamped is an earlier head with the log's own signatures alone.
number = 0
for one in predicate.get("vouched", []):
    text, _, block = one["checkpoint"].rpartition("\n\n")
    own = [line + "\n" for line in block.splitlines() if line.split(" ")[1] == name]
    for stamp in one["stamps"]:
        number += 1
        open(f"{sys.argv[1]}/stamped.{number}", "wb").write((text + "\n\n" + "".join(own)).encode())
        open(f"{sys.argv[1]}/stamp.{number}", "wb").write(base64.b64decode(stamp["token"]))
END
check head "the signature over the log's head"

if [ $# -ge 3 ]; then
  held=0
  for stamp in "$work"/stamp.*; do
    [ -f "$stamp" ] || continue
    if openssl ts -verify -data "$work/stamped.${stamp##*.}" -in "$stamp" -CAfile "$3" \
      >/dev/null 2>&1; then
      when=$(openssl ts -reply -in "$stamp" -text 2>/dev/null | sed -n 's/^Time stamp: //p')
      echo "ok  openssl: an earlier head was stamped on $when"
      held=1
    fi
  done
  [ "$held" -eq 1 ] || refuse "no time stamp holds under your roots"
fi

if command -v go >/dev/null && [ -f "$here/inclusion.go" ]; then
  cp "$here/inclusion.go" "$work/main.go"
  # Debian keeps golang.org/x/mod in /usr/share/gocode; elsewhere: go mod init x, go mod tidy.
  (cd "$work" && GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode GOCACHE="$work/cache" \
    go build -o inclusion main.go) 2>/dev/null || { echo "skipped: golang.org/x/mod is not here"; }
  if [ -x "$work/inclusion" ]; then
    "$work/inclusion" "$dossier" "$key" || refuse "an entry is not in the log"
  fi
else
  echo "skipped: Go is not here (or inclusion.go): inclusion in the log was not checked"
fi

if python3 -c 'import securesystemslib, cryptography' 2>/dev/null; then
  python3 - "$dossier" "$key" 2>/dev/null <<'END' || refuse "the DSSE envelope"
import base64, json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

found = json.load(open(sys.argv[1], "rb"))
raw = base64.b64decode(sys.argv[2].strip().split("+", 2)[2])[1:]
keyid = found["signatures"][0]["keyid"]
public = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw), keyid=keyid)
Envelope.from_dict(found).verify([public], 1)
print("ok  securesystemslib: the DSSE envelope holds")
END
else
  echo "skipped: securesystemslib is not here: the envelope was checked by openssl alone"
fi
echo "all that could be checked holds"
