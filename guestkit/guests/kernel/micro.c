/* `micro=NAME:COUNT` or `micro=NAME:COUNT:ROUNDS`: does one thing of the back end, or of its devices, COUNT times, in each of some rounds, and switches the
 * machine off. What it costs is to be measured from outside, too, from line to line: the kernel's own clock does not see a hypervisor's
 * time. */

#include "kernel.h"

/* The last one, without a name, if it is not there. */
static const struct micro *find(const struct micro *micro, const char *name, u32 length)
{
    while (micro->name && (strlen(micro->name) != length || strncmp(micro->name, name, length)))
        micro++;
    return micro;
}

void micro_run(const char *what)
{
    const char *colon = strchr(what, ':');
    u32 length = colon ? (u32)(colon - what) : strlen(what), count = colon ? parse_number(colon + 1) : 1000;
    u32 rounds = colon && strchr(colon + 1, ':') ? parse_number(strchr(colon + 1, ':') + 1) : 1;

    static const struct micro *const all[] = { machine_micros, table_micros, device_micros };
    const struct micro *micro = all[0];

    for (u32 i = 0; i < COUNT(all); i++) {
        micro = find(all[i], what, length);
        if (micro->name)
            break;
    }
    if (!micro->name) {
        print("kernel: micro=%s: not known; there are:", what);
        for (u32 i = 0; i < COUNT(all); i++)
            for (micro = all[i]; micro->name; micro++)
                print(" %s", micro->name);
        print("\n");
        machine_power_off(1);
    }
    while (rounds-- > 0) {
        u64 before;
        print("begin %s\n", micro->name);
        before = machine_clock();
        micro->run(count);
        print("bench %s %u %lu\n", micro->name, count, machine_clock() - before);
    }
    print("%s done\n", micro->name);
    machine_power_off(0);
}
