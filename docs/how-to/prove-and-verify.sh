#!/bin/sh
# A campaign out of titer's lab is proved and referred, checked with other people's tools, erased in
# part, and checked again.
#
#   sh prove-and-verify.sh FOLDER          FOLDER is made; TITER may name the command (titer)
#
# Needs titer, openssl 3 and python3; uses Go (golang-golang-x-mod-dev), securesystemslib and
# stix2-validator 3.2.0 too where they are, and says what it skipped. Exit 0: all of it held.
set -eu

titer=${TITER:-titer}
out=$1
data=$out/data
mkdir "$out"

echo "== a campaign out of the lab"
$titer lab write hydra --out "$out/world" --seed 5 --accounts 200 --days 3 --no-replies
fed=$($titer feed "$out/world/log.jsonl" --data "$data" --hunt --json) || [ $? -eq 1 ]
campaign=$(echo "$fed" | python3 -c 'import json, sys; print(json.load(sys.stdin)["campaigns"][0])')
echo "campaign $campaign"

echo "== proved and referred"
case=$($titer case open --title "One work-list, thirty accounts" --data "$data" --json |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["case"])')
$titer case add "$case" --campaign "$campaign" --data "$data"
$titer case refer "$case" --to "a stranger" --out "$out/pack" --data "$data"

echo "== checked with other people's tools"
cp "$data/log/log.pub" "$out/log.pub" # over another channel, in earnest
(cd "$out/pack" && sha256sum -c --quiet MANIFEST.sha256)
sh "$out/pack/verify.sh" "$out/pack/$campaign.dossier" "$out/log.pub"
$titer verify "$out/pack/$campaign.dossier" --key "$(cat "$out/log.pub")" >/dev/null

echo "== exported for a partner"
$titer share stix "$campaign" --data "$data" --for partner -o "$out/partner.json"
if command -v stix2_validator >/dev/null; then
  stix2_validator --silent "$out/partner.json"
  echo "ok  stix2-validator: the bundle is STIX 2.1"
else
  echo "--  stix2-validator: not here, the bundle was not checked"
fi

echo "== one member is erased"
member=$($titer verify "$out/pack/$campaign.dossier" --json >/dev/null && python3 - \
  "$out/pack/$campaign.dossier" <<'END'
import base64, json, sys
payload = json.loads(base64.b64decode(json.load(open(sys.argv[1]))["payload"]))
bodies = [(e["kind"], json.loads(e["body"])) for e in payload["predicate"]["entries"]]
print(next(body["members"][0] for kind, body in bodies if kind == "campaign"))
END
)
$titer erase "$member" --reason "a person asked for it" --by "the operator" --data "$data"

echo "== what was handed out still verifies; what is made now has nothing of the member"
sh "$out/pack/verify.sh" "$out/pack/$campaign.dossier" "$out/log.pub"
$titer prove "$campaign" --data "$data" -o "$out/after.dossier"
sh "$out/pack/verify.sh" "$out/after.dossier" "$out/log.pub"
$titer verify "$out/after.dossier" --key "$(cat "$out/log.pub")" >/dev/null
python3 - "$out/after.dossier" "$member" <<'END'
import base64, json, sys
payload = json.loads(base64.b64decode(json.load(open(sys.argv[1]))["payload"]))
about = [e["kind"] for e in payload["predicate"]["entries"] if sys.argv[2] in e["body"]]
assert about == ["campaign"], about
print("the erased member is a pseudonym in the campaign's list, and nothing else")
END
echo "all of it held"
