# What `guestkit linux` runs if it is not given a script: each line shows that a part of the system works.
check() {       # NAME EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then echo "$1: $3"; else echo "$1: $3, which should be $2"; failed=1; fi
}
failed=0

uname -srm
grep -m 1 'model name' /proc/cpuinfo
grep MemTotal /proc/meminfo
awk '/ (timer|ttyS0)$/ { print "interrupts of", $NF ":", $2 }' /proc/interrupts
echo "processes: $(ls -d /proc/[0-9]* | wc -l)"

check md5sum b6d81b360a5672d80c27430f39153e2c "$(dd if=/dev/zero bs=1M count=1 2>/dev/null | md5sum | cut -d ' ' -f 1)"
seq 1 10000 > /tmp/numbers
check gzip "$(md5sum < /tmp/numbers)" "$(gzip -c /tmp/numbers | gunzip | md5sum)"
check sort 10000 "$(sort -n -r /tmp/numbers | head -n 1)"
i=0; sum=0
while [ $i -lt 5000 ]; do sum=$((sum + i)); i=$((i + 1)); done
check loop 12497500 $sum
i=0
while [ $i -lt 20 ]; do /bin/busybox true && i=$((i + 1)); done
check 'fork and exec' 20 $i
mkfifo /tmp/pipe
(echo through a pipe > /tmp/pipe) &
check pipe 'through a pipe' "$(cat /tmp/pipe)"
check sleep 0 "$(sleep 0.1; echo $?)"

if [ -b /dev/vda ]; then
    mkdosfs /dev/vda > /dev/null && mount -t vfat /dev/vda /mnt
    cp /bin/busybox /tmp/numbers /mnt && umount /mnt
    echo 3 > /proc/sys/vm/drop_caches
    mount -t vfat -o ro /dev/vda /mnt
    check 'virtio disk' "$(cat /bin/busybox /tmp/numbers | md5sum)" "$(cat /mnt/busybox /mnt/numbers | md5sum)"
    umount /mnt
fi
if [ -b /dev/sda ]; then
    dd if=/tmp/numbers of=/dev/sda bs=512 seek=100 conv=fsync 2>/dev/null
    echo 3 > /proc/sys/vm/drop_caches
    check 'IDE disk' "$(md5sum < /tmp/numbers)" "$(dd if=/dev/sda bs=512 skip=100 2>/dev/null | head -c $(stat -c %s /tmp/numbers) | md5sum)"
fi
if [ -n "$web" ]; then
    udhcpc -i eth0 -n -q -s /etc/udhcpc.sh > /dev/null 2>&1
    check address 10.0.2.15 "$(ip address show eth0 | awk '/inet / { sub("/.*", "", $2); print $2 }')"
    check network "$(wget -q -O - http://$web/sum)" "$(wget -q -O - http://$web/page | md5sum | cut -d ' ' -f 1)"
fi
[ $failed = 0 ] && echo 'all is well'
exit $failed
