#!/bin/sh
# Copy a log so that the copy can become the log: sh mirror-the-log.sh DATA/log HOST:DATA/log
#
# Needs rsync, and SSH where the copy is on another host (RSYNC_RSH names another shell). Run it from
# a timer; the log may be written meanwhile. The head is read first and sent last, so that the copy's
# head never covers what the copy lacks; tiles go before the journal that they follow from. Keys of
# subjects go after the bodies that are sealed under them, and both again if a key came or was
# destroyed meanwhile: the copy would lack the entry that says of whom.
set -eu
from=${1%/}
to=${2%/}
held=$(mktemp -d)
trap 'rm -rf "$held"' EXIT

sync() { rsync --archive --relative --fsync "$@" "$to/" || [ $? -eq 24 ]; } # 24: a partial tile was full meanwhile

cp -p "$from/checkpoint" "$held/checkpoint"
cd "$from"
sync --checksum ./keys
sync ./tile
tries=0
while
  before=$(cksum <keys/subjects)
  sync ./bodies
  sync --checksum ./keys
  [ "$before" != "$(cksum <keys/subjects)" ]
do
  tries=$((tries + 1))
  if [ "$tries" = 100 ]; then
    echo "keys of subjects change faster than they are copied: run it again" >&2
    exit 1
  fi
done
set -- ./log.key ./log.pub
for one in log.key.old log.key.next rotations heads; do
  [ ! -e "$one" ] || set -- "$@" "./$one"
done
sync --checksum "$@"
cd "$held"
sync --checksum ./checkpoint
