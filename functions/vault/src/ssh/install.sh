#!/bin/sh
# Puts a public key into a user's authorized_keys, or takes it out again:
#
#     SCRIPT install|uninstall FILE-WITH-THE-KEY /home/USER/.ssh/authorized_keys
#
# Everything below the home directory is done as its user, never as root, so that no link which the user may have put
# there leads anywhere that the user could not go. Taking a key out leaves every other byte as it was.
set -eu

action=$1
key=$(cat "$2")
target=$3
home=${target%/.ssh/authorized_keys}
user=${home##*/}

edit='
set -eu
umask 077
action=$1 key=$2 target=$3
directory=${target%/*}
mkdir -p "$directory"
[ -e "$target" ] || : >"$target"
target=$(readlink -f "$target")
new=$target.$$

# One at a time.
if command -v flock >/dev/null; then
    exec 9<"$directory"
    flock -w 10 9
fi

line() { grep -n -x -F -e "$key" "$target" | cut -d : -f 1 | head -n 1; }

trap '\''rm -f "$new"'\'' EXIT
number=$(line)
while [ -n "$number" ]; do
    cp -p "$target" "$new"
    { head -n "$((number - 1))" "$target"; tail -n "+$((number + 1))" "$target"; } >"$new"
    mv "$new" "$target"
    number=$(line)
done
if [ "$action" = install ]; then
    cp -p "$target" "$new"
    # In front: at the end, a last line without newline would have to change.
    { printf "%s\n" "$key"; cat "$target"; } >"$new"
    mv "$new" "$target"
fi
'

if [ "$(id -un)" = "$user" ]; then
    exec sh -c "$edit" edit "$action" "$key" "$target"
fi
exec sudo -n -H -u "$user" -- sh -c "$edit" edit "$action" "$key" "$target"
