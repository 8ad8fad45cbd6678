/* sleep MILLISECONDS */

#include "system.h"

int main(int argc, char **argv)
{
    if (argc != 2)
        fail("sleep: how many milliseconds?\n");
    return sleep(parse_number(argv[1])) != 0;
}
