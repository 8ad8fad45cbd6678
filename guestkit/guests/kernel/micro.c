/* `micro=NAME:COUNT`: does one thing of the back end COUNT times and switches the machine off. What it costs is to be measured from outside,
 * too: the kernel's own clock does not see a hypervisor's time. */

#include "kernel.h"

void micro_run(const char *what)
{
    const struct micro *micro;
    const char *colon = strchr(what, ':');
    u32 length = colon ? (u32)(colon - what) : strlen(what), count = colon ? parse_number(colon + 1) : 1000;
    u64 before;

    for (micro = machine_micros; micro->name; micro++)
        if (strlen(micro->name) == length && strncmp(micro->name, what, length) == 0)
            break;
    if (!micro->name) {
        print("kernel: micro=%s: not known; there are:", what);
        for (micro = machine_micros; micro->name; micro++)
            print(" %s", micro->name);
        print("\n");
        machine_power_off(1);
    }
    before = machine_clock();
    micro->run(count);
    print("micro %s %u %lu\n", micro->name, count, machine_clock() - before);
    machine_power_off(0);
}
