/* Events and time: what bare/ has from an interrupt controller, a timer and a counter is in a page shared with the hypervisor. */

#include "para.h"
#include "divide.h"

/* The bits of the events mask but the master bit stay as they are, so taking all events at once takes those we want. */
static u32 take_all(void)
{
    u32 events = 0;

    asm volatile("xchgl %0, %1" : "+r"(events), "+m"(shared_info->events) : : "memory");
    return events & shared_info->events_mask;
}

void machine_interrupt(u32 vector)
{
    u32 events = take_all();

    (void)vector;
    if (events & EVENT_STOP) {
        paging_stop();
        network_moved();
    }
    if (events & EVENT_DIE)
        machine_power_off(0);
    if (events & EVENT_TIMER)
        timer_tick();
    if (events & EVENT_KEYBOARD)
        keyboard_interrupt();
    if (events & EVENT_BLOCK)
        block_interrupt();
    if (events & EVENT_NETWORK)
        network_interrupt();
}

/* The timer comes by itself while the domain runs; for a sleep it is set. The master bit is clear, so no event can come before the
 * hypercall and be missed. */
void machine_idle(void)
{
    shared_info->wall_timeout = machine_clock() + TICK_NS;
    ask(XEN_YIELD, 0, 0, 0, 0);
    machine_interrupt(0);
}

/* The time of the hypervisor's last update, and what the time stamp counter has advanced since. If a new update comes in between, again. */
u64 machine_clock(void)
{
    u32 version, low, high, passed, shift = shared_info->rdtsc_bitshift, frequency = shared_info->cpu_freq;
    u64 time;

    do {
        version = shared_info->wc_version;
        asm volatile("rdtsc" : "=a"(low), "=d"(high));
        time = shared_info->system_time;
        passed = (u32)(((u64)high << 32 | low) >> shift) - shared_info->st_timestamp;
    } while (version != shared_info->wc_version);
    return time + divide(((u64)passed << shift) * 1000000000, frequency, NULL);
}
