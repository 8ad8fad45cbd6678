/* Time: the 8253 timer interrupts at each tick; between ticks the processor's time stamp counter tells how much has passed. */

#include "bare.h"
#include "divide.h"

#define COUNTER_0 0x40
#define COMMAND 0x43
#define RATE_GENERATOR 0x34     /* counter 0, low then high byte, mode 2 */
#define INPUT_HZ 1193182u
#define SECOND 1000000000u
#define DIVISOR ((u32)((u64)INPUT_HZ * (TICK_NS / 1000) / 1000000))
#define CALIBRATION 3           /* ticks */

static u32 ticks, frequency;    /* of the time stamp counter, in Hz */
static u64 counter_at_start;

static u64 counter(void)
{
    u64 value;

    asm volatile("rdtsc" : "=A"(value));
    return value;
}

/* Sleeps over a few ticks to see how fast the counter is. */
void timer_start(void)
{
    u64 start, passed;

    out8(COMMAND, RATE_GENERATOR);
    out8(COUNTER_0, DIVISOR & 0xff);
    out8(COUNTER_0, DIVISOR >> 8);
    interrupts_enable(LINE_TIMER);
    while (ticks == 0)
        wait_for_interrupt();
    start = counter();
    while (ticks < 1 + CALIBRATION)
        wait_for_interrupt();
    passed = counter() - start;
    frequency = divide(passed * INPUT_HZ, DIVISOR * CALIBRATION, NULL);
    counter_at_start = start;
}

void timer_interrupt(void)
{
    ticks++;
    timer_tick();
}

u64 machine_clock(void)
{
    u32 rest;
    u64 seconds = divide(counter() - counter_at_start, frequency, &rest);

    return seconds * SECOND + divide((u64)rest * SECOND, frequency, NULL);
}
