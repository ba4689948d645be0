/*
 * The Multiboot2 information: the input is what the loader left.
 */
#include "kernel/boot/multiboot2.h"
#include "tests/fuzz/boot_info_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_info boot;
    void *copy = malloc(size ? size : 1); /* exactly as long, so that a read past it is seen */

    memcpy(copy, data, size);
    int error = multiboot2_parse(copy, size, 0x10000, &boot);
    boot_info_check(&boot);
    if (error == 0 && boot.info_length > size)
        abort();
    free(copy);
    return 0;
}
