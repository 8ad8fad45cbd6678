#!/bin/busybox sh
# The first process. With a /script in the ramdisk it runs that, and the machine ends with its exit status; else it gives a shell to a person.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=${TERM:-vt102}
hostname linux
# Parameters of modules stand on the kernel's command line, as MODULE.NAME=VALUE.
words=$(cat /proc/cmdline)
while read -r module; do
    parameters=
    for word in $words; do
        case "$word" in "${module%.ko}".*) parameters="$parameters ${word#*.}" ;; esac
    done
    insmod "/modules/$module" $parameters
done < /modules/order

# Success is a power-off by ACPI, where there is that; else the exit device of the machine has the status: a byte written to this port.
leave() {
    [ "$1" = 0 ] && [ -d /sys/firmware/acpi ] && poweroff -f
    printf "\\$(printf %o "$1")" | dd of=/dev/port bs=1 seek=244 2>/dev/null
    reboot -f
}

[ -n "$LINES" ] && stty rows "$LINES" cols "$COLUMNS"
echo "init: the shell"
if [ -e /script ]; then
    sh /script
    leave $?
fi
setsid cttyhack sh
leave 0
