#!/bin/sh
# Copy a log so that the copy can become the log: sh mirror-the-log.sh DATA/log HOST:DATA/log
#
# Needs rsync, and SSH where the copy is on another host (RSYNC_RSH names another shell). Run it from
# a timer; the log may be written meanwhile. The head is read first and sent last, so that the copy's
# head never covers what the copy lacks; tiles go before the journal that they follow from, keys of
# subjects before and after the bodies that are sealed under them.
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
sync ./bodies
sync --checksum ./keys
set -- ./log.key ./log.pub
for one in log.key.old log.key.next rotations heads; do
  [ ! -e "$one" ] || set -- "$@" "./$one"
done
sync --checksum "$@"
cd "$held"
sync --checksum ./checkpoint
