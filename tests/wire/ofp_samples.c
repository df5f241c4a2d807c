/* SPDX-License-Identifier: Apache-2.0 */
/* usage: ofp_samples SEED          prints "NAME HEX" for a sample of each message
 *        ofp_samples SEED FOLDER   writes each to FOLDER/NAME (a fuzzer's first corpus) */
#include <stdio.h>
#include <stdlib.h>

#include "tests/wire/samples.h"

static void
print_sample(const char *name, const uint8_t *msg, size_t size, void *aux)
{
    (void) aux;
    printf("%s ", name);
    for (size_t i = 0; i < size; i++) {
        printf("%02x", msg[i]);
    }
    printf("\n");
}

static void
write_sample(const char *name, const uint8_t *msg, size_t size, void *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", (const char *) folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(msg, 1, size, file) != size || fclose(file)) {
        perror(path);
        exit(1);
    }
}

int
main(int argc, char *argv[])
{
    if (argc < 2) {
        fprintf(stderr, "usage: ofp_samples SEED [FOLDER]\n");
        return 2;
    }
    samples_for_each(strtoull(argv[1], NULL, 10), argc > 2 ? write_sample : print_sample, argv[2]);
    return 0;
}
