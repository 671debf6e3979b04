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
        {
            [ -e "/proc/sys/net/ipv4/conf/$link" ] ||
                echo "link add $link type veth peer name $device address $mac netns $namespace"
            echo "link set $link up"
            for address; do
                echo "route replace $address/32 dev $link"
            done
        } | ip -batch -
    ' sh "$link" "$device" "$mac" "$namespace" $addresses </dev/null
    # What is sent from an address leaves by the interface that has it, or the router drops it.
    # shellcheck disable=SC2086
    nsenter --net="$namespace" sh -ec '
        index=$1 device=$2 gateway=$3 address=$4
        shift 3
        table=$((1000 + index))
        {
            echo "link set lo up"
            echo "address replace $address/32 dev $device"
            echo "link set $device up"
            if [ "$index" = 0 ]; then
                echo "route replace $gateway dev $device"
                echo "route replace default via $gateway dev $device"
            else
                echo "route replace default via $gateway dev $device onlink metric $table"
                echo "route replace default via $gateway dev $device onlink table $table"
            fi
        } | ip -batch -
        [ "$index" != 0 ] || exit 0
        echo 2 > "/proc/sys/net/ipv4/conf/$device/rp_filter"
        for address; do
            ip rule del from "$address" table "$table" 2>/dev/null || :
            ip rule add from "$address" table "$table" priority "$table"
        done
    ' sh "$index" "$device" "$gateway" $addresses </dev/null
done < "$4"
