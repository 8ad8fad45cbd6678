/* wc: counts lines, words and bytes of its input. */

#include "system.h"

static char buffer[4096];

int main(void)
{
    u32 lines = 0, words = 0, bytes = 0;
    int n, in_word = 0;

    while ((n = read(0, buffer, sizeof buffer)) > 0) {
        bytes += n;
        for (int i = 0; i < n; i++) {
            int space = buffer[i] == ' ' || buffer[i] == '\n' || buffer[i] == '\t';
            lines += buffer[i] == '\n';
            words += in_word && space;
            in_word = !space;
        }
    }
    print("%u lines, %u words, %u bytes\n", lines, words + in_word, bytes);
    return 0;
}
