/* A guest of 1.2 for two domains, 0 and 1, that send each other events: `guestkit bench --domains` builds it. Domain 0 prints
 *
 *   begin event_round_trip
 *   bench event_round_trip COUNT NANOSECONDS
 *
 * for each of ROUNDS; the command line is COUNT:ROUNDS. Both sleep until the event comes, so a round trip is two events and two switches. */
#include "guest.h"

#define PAGE 4096u

static u8 window[PAGE] __attribute__((aligned(4096)));
static struct xen_shared_info *const shared = (void *)window;
static int channel;

static u64 now(void)
{
    u32 low, high;

    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

static u32 number(const char **text)
{
    u32 value = 0;

    while (**text >= '0' && **text <= '9')
        value = value * 10 + *(*text)++ - '0';
    if (**text)
        (*text)++;
    return value;
}

static void wait(void)
{
    u32 pending = 0;

    while (!shared->channels_pending[0])
        xen_hypercall(XEN_SCHED_OP, XEN_SCHED_YIELD, 0, 0, 0);
    shared->channels_pending_selector = 0;
    shared->events = 0;
    asm volatile("xchgl %0, %1" : "+r"(pending), "+m"(shared->channels_pending[0]) : : "memory");
}

static void send(void)
{
    if (xen_hypercall(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_SEND, channel, 0, 0) != 0) {
        print("events: nobody is there\n");
        stop(1);
    }
}

int main(const char *line)
{
    u32 count = number(&line), rounds = number(&line), first = start_info->domain == 0;

    xen_hypercall(XEN_UPDATE_VA_MAPPING, (u32)window / PAGE, start_info->shared_info | XEN_PTE_PRESENT | XEN_PTE_WRITE, XEN_VA_INVALIDATE, 0);
    shared->events_mask = XEN_EVENT_CHANNEL;
    channel = xen_hypercall(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_OPEN, first, 0, 0);
    if (first)                                  /* the second one to open it is not told that it is connected */
        while (xen_hypercall(XEN_EVENT_CHANNEL_OP, XEN_CHANNEL_STATUS, channel, 0, 0) != 2)
            wait();
    for (u32 round = 0; round < rounds; round++) {
        u64 before;
        if (first)
            print("begin event_round_trip\n");
        before = now();
        for (u32 i = 0; i < count; i++) {
            if (first)
                send();
            wait();
            if (!first)
                send();
        }
        if (first)
            print("bench event_round_trip %u %lu\n", count, now() - before);
    }
    return 0;
}
