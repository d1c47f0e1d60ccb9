#!/bin/sh
# Checks a dossier with other people's tools: openssl for the signature, Go's tlog for the tree, and
# securesystemslib for the envelope. Nothing of titer's is run, and nothing is fetched.
#
#   sh verify.sh FILE.dossier KEYFILE      KEYFILE holds the log's verifier key, one line
#
# Get KEYFILE over another channel than the dossier. Exit 0: every check that could be made holds.
set -eu

[ $# -eq 2 ] || { echo "usage: sh verify.sh FILE.dossier KEYFILE" >&2; exit 2; }
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

log = json.load(open(f"{sys.argv[1]}/payload", "rb"))["predicate"]["log"]
assert log["key"] == sys.argv[2].strip()
name = log["key"].split("+")[0]
text, _, block = log["checkpoint"].rpartition("\n\n")
lines = [line.split(" ") for line in block.splitlines()]
mine = [base64.b64decode(signature) for _, who, signature in lines if who == name]
open(f"{sys.argv[1]}/head", "wb").write((text + "\n").encode())
open(f"{sys.argv[1]}/head.sig", "wb").write(mine[0][4:])
END
check head "the signature over the log's head"

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
