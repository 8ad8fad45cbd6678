/* halt [STATUS]: switches the machine off. */

#include "system.h"

int main(int argc, char **argv)
{
    return halt(argc > 1 ? parse_number(argv[1]) : 0);
}
