#!/bin/sh
# Boots one guest, and boots it again each time it reboots itself.
# The settings in the file $1 are written by nspawn.py.
set -eu
. "$1"

network() {
    # A new namespace for each boot: nothing of what the last one left there (interfaces,
    # firewall rules) is seen again, as on a computer that was switched off and on.
    while read -r _ link _; do
        nsenter --net="$router" ip link del "$link" 2>/dev/null || :
    done <"$interfaces"
    umount "$namespace" 2>/dev/null || :
    : > "$namespace"
    unshare --net="$namespace" true
    sh "$plug" "$router" "$namespace" "$gateway" "$interfaces"
}

# In the unified hierarchy a group that holds processes cannot pass controllers on to groups
# below it: so the supervisor goes into one such group, and the guest into another.
if [ -n "$unified_group" ]; then
    mkdir -p "$unified_group/supervisor" "$unified_group/guest"
    echo 0 > "$unified_group/supervisor/cgroup.procs"
    for controller in $(cat "$unified_group/cgroup.controllers"); do
        echo "+$controller" 2>/dev/null > "$unified_group/cgroup.subtree_control" || :
    done
fi

while [ ! -e "$stop_file" ]; do
    network
    status=0
    (
        if [ -n "$unified_group" ]; then
            echo 0 > "$unified_group/guest/cgroup.procs"
        fi
        boot
    ) || status=$?
    [ "$status" = 133 ] || break # 133: the guest asked to be booted again
done
echo "${status:-0}" > "$ended"
