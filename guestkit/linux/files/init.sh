#!/bin/busybox sh
# The first process. With a /script in the ramdisk it runs that, and the machine ends with its exit status; else it gives a shell to a person.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=${TERM:-vt102}
hostname linux

# The exit device of the machine: a byte written to this port is the exit status of the run.
leave() {
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
