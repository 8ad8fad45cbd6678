/* Console input: lines, with echo and a backspace key. Control-C ends the processes that do not catch it, control-D is the end of
 * input, control-P lists the processes. */

#include "kernel.h"

#define CONTROL(letter) ((letter) & 0x1f)
#define BACKSPACE 0x08
#define DELETE 0x7f
#define SIZE 512

static char buffer[SIZE];
static u32 read_at, line_end, typed;    /* counts, modulo SIZE: given away, whole lines, all */
static struct queue readers;

static void echo(const char *text)
{
    machine_write(text, strlen(text));
}

static void put(char c)
{
    buffer[typed++ % SIZE] = c;
}

void console_input(char c)
{
    char text[2] = { c, 0 };

    if (c == '\r')
        text[0] = c = '\n';
    if (c == CONTROL('C')) {
        echo("^C\n");
        read_at = line_end = typed;             /* forgets what nobody has read yet */
        signal_interrupt();
    } else if (c == CONTROL('P')) {
        process_print_all();
    } else if (c == BACKSPACE || c == DELETE) {
        if (typed != line_end) {
            typed--;
            echo("\b \b");
        }
    } else if (c == '\n' || c == CONTROL('D')) {
        if (typed - read_at < SIZE)
            put(c);
        if (c == '\n')
            echo(text);
        line_end = typed;
        wake_all(&readers);
    } else if (c >= ' ' && typed - read_at < SIZE - 1) {   /* room for the line's end stays */
        put(c);
        echo(text);
    }
}

int console_read(u8 *to, u32 size)
{
    u32 done = 0;

    while (read_at == line_end) {
        if (!machine_has_input())
            return 0;
        if (sleep_on(&readers))
            return -EINTR;
    }
    while (done < size && read_at != line_end) {
        char c = buffer[read_at++ % SIZE];
        if (c == CONTROL('D'))
            break;
        to[done++] = c;
        if (c == '\n')
            break;
    }
    return done;
}
