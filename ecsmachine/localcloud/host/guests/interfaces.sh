#!/bin/sh
# Gives a guest's network namespace its interfaces; those that it has stay as they are.
#
#   interfaces.sh ROUTER NAMESPACE GATEWAY FILE
#
# Each line of the file: the interface's number in the guest, the router's name for its link, its
# MAC address, and its addresses, of which the guest itself is given the first.
set -eu
router=$1
namespace=$2
gateway=$3

while read -r index link mac addresses; do
    device="eth$index"
    # shellcheck disable=SC2086 # the addresses are words of their own
    nsenter --net="$router" sh -ec '
        link=$1 device=$2 mac=$3 namespace=$4
        shift 4
        ip link show "$link" >/dev/null 2>&1 ||
            ip link add "$link" type veth peer name "$device" address "$mac" netns "$namespace"
        ip link set "$link" up
        for address; do
            ip route replace "$address/32" dev "$link"
        done
    ' sh "$link" "$device" "$mac" "$namespace" $addresses </dev/null
    # What is sent from an address leaves by the interface that has it, or the router drops it.
    # shellcheck disable=SC2086
    nsenter --net="$namespace" sh -ec '
        index=$1 device=$2 gateway=$3
        shift 3
        ip link set lo up
        ip address replace "$1/32" dev "$device"
        ip link set "$device" up
        if [ "$index" = 0 ]; then
            ip route replace "$gateway" dev "$device"
            ip route replace default via "$gateway" dev "$device"
            exit
        fi
        table=$((1000 + index))
        echo 2 > "/proc/sys/net/ipv4/conf/$device/rp_filter"
        ip route replace default via "$gateway" dev "$device" onlink metric "$table"
        ip route replace default via "$gateway" dev "$device" onlink table "$table"
        for address; do
            ip rule del from "$address" table "$table" 2>/dev/null || :
            ip rule add from "$address" table "$table" priority "$table"
        done
    ' sh "$index" "$device" "$gateway" $addresses </dev/null
done < "$4"
