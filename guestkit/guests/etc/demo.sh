# The demonstration: what a kernel does, on whatever it runs on.
echo "* files of an archive, read through a pipe"
cat /etc/motd | cat | wc
echo "* processes joined by pipes, one for each prime number"
primes 60
echo "* processes that never stop by themselves; the timer shares the processor out"
race 3 100
echo "* a program that handles its own page faults"
guard
echo "* a shell in a shell in a shell"
sh -c "sh -c 'echo from the innermost; exit 7'"; echo its status was $?
halt
