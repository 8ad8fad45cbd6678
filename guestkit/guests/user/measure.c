#include "measure.h"

static void one_round(const struct measured *one, u32 iterations, int has_checksum)
{
    u64 before, after;
    u32 checksum;

    if (one->prepare)
        one->prepare(one->processes, one->size);
    print("begin %s\n", one->name);
    before = clock();
    checksum = one->run(iterations);
    after = clock();
    if (has_checksum)
        print("bench %s %u %lu %08x\n", one->name, iterations, after - before, checksum);
    else
        print("bench %s %u %lu\n", one->name, iterations, after - before);
    if (one->finish)
        one->finish();
}

static const struct measured *find(const char *word, const struct measured *all, u32 count)
{
    const char *colon = strchr(word, ':');
    u32 length = colon ? (u32)(colon - word) : strlen(word);

    for (u32 i = 0; i < count; i++)
        if (strlen(all[i].name) == length && strncmp(all[i].name, word, length) == 0)
            return &all[i];
    complain("%s: not known; there are:", word);
    for (u32 i = 0; i < count; i++)
        complain(" %s", all[i].name);
    complain("\n");
    exit(2);
}

int measure(int argc, char **argv, const struct measured *all, u32 count, int has_checksum)
{
    u32 rounds = 1, given = 0;

    for (int i = 1; i < argc; i++) {
        const struct measured *one;
        const char *colon = strchr(argv[i], ':');
        u32 iterations;
        if (strcmp(argv[i], "-r") == 0 && i + 1 < argc) {
            rounds = parse_number(argv[++i]);
            continue;
        }
        one = find(argv[i], all, count);
        iterations = colon ? parse_number(colon + 1) : one->iterations;
        given++;
        for (u32 round = 0; round < rounds; round++)
            one_round(one, iterations > 0 ? iterations : 1, has_checksum);
    }
    for (u32 i = 0; given == 0 && i < count; i++)
        for (u32 round = 0; round < rounds; round++)
            one_round(&all[i], all[i].iterations, has_checksum);
    return 0;
}
