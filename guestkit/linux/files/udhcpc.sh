#!/bin/sh
# What udhcpc runs when a lease changes: it sets the interface up as the server says.
case "$1" in
deconfig)
    ip link set "$interface" up
    ip address flush dev "$interface"
    ;;
bound|renew)
    ip address flush dev "$interface"
    ip address add "$ip/$mask" dev "$interface"
    [ -n "$router" ] && ip route replace default via "${router%% *}"
    : > /etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >> /etc/resolv.conf; done
    ;;
esac
