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
[ $failed = 0 ] && echo 'all is well'
exit $failed
