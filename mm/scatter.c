/*
 * Buffers as pieces of physical memory.
 */
#include "mm/scatter.h"

#include "arch/mmu.h"
#include "lib/errno.h"
#include "mm/vm.h"

/* Where @address is, and how many bytes from there on (at most @length) are known to follow. */
static size_t contiguous_piece(const uint8_t *address, size_t length, paddr_t *paddr)
{
    size_t to_page_end = PAGE_SIZE - ((uintptr_t)address & (PAGE_SIZE - 1));

    if (is_direct_map(address)) {
        *paddr = direct_map_to_phys(address);
        return length;
    }
    if (!virt_to_phys(address, paddr))
        return 0;
    return MIN(length, to_page_end);
}

/* Adds the piece to the last segment when it follows it in memory and fits its length. */
static bool extend(struct scatter_segment *segment, paddr_t paddr, size_t length)
{
    if (segment->paddr + segment->length != paddr || length > UINT32_MAX - segment->length)
        return false;
    segment->length += (uint32_t)length;
    return true;
}

/* The longest piece that one segment can describe without ending in the middle of a sector. */
#define SEGMENT_MAX (UINT32_MAX & ~(PAGE_SIZE - 1))

int scatter_from_buffer(const void *buffer, size_t length, struct scatter_segment *segments,
                        size_t max)
{
    const uint8_t *address = buffer;
    size_t count = 0;

    while (length) {
        paddr_t paddr;
        size_t piece = contiguous_piece(address, MIN(length, SEGMENT_MAX), &paddr);

        if (!piece)
            return -EFAULT;
        if (!count || !extend(&segments[count - 1], paddr, piece)) {
            if (count == max)
                return -E2BIG;
            segments[count++] =
                (struct scatter_segment){ .paddr = paddr, .length = (uint32_t)piece };
        }
        address += piece;
        length -= piece;
    }
    return (int)count;
}
