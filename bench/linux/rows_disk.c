/*
 * Disk requests by the kernel's own asynchronous I/O, without the page cache: 128 KiB sequential
 * and 4 KiB random, 1 and 32 in flight.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rows.h"

#define IN_FLIGHT_MAX 32
#define LARGE         (128 * 1024)
#define SMALL         4096
#define LARGE_TOTAL   (512UL * 1024 * 1024) /* round and round a smaller disk */
#define SMALL_COUNT   10000

struct disk_run {
    int fd;
    uint64_t size;
    size_t request;
    bool is_random, is_write;
    uint64_t left, next;
};

static void prepare(struct disk_run *run, struct iocb *iocb)
{
    uint64_t places = run->size / run->request;
    uint64_t place = run->is_random ? (uint64_t)random() % places : run->next++ % places;

    iocb->aio_offset = (int64_t)(place * run->request);
    run->left--;
}

static void measure_disk(struct disk_run *run, unsigned int in_flight, uint8_t *buffers)
{
    struct iocb iocbs[IN_FLIGHT_MAX], *pointers[IN_FLIGHT_MAX];
    struct io_event events[IN_FLIGHT_MAX];
    aio_context_t context = 0;
    uint64_t count = rows_count(run->is_random ? SMALL_COUNT : LARGE_TOTAL / run->request);
    unsigned int busy = in_flight;
    char name[32];

    if (syscall(SYS_io_setup, IN_FLIGHT_MAX, &context))
        rows_fail("io_setup");
    run->left = count;
    run->next = 0;
    for (unsigned int i = 0; i < in_flight; i++) {
        iocbs[i] =
            (struct iocb){ .aio_fildes = (uint32_t)run->fd,
                           .aio_lio_opcode = run->is_write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
                           .aio_buf = (uintptr_t)(buffers + i * LARGE),
                           .aio_nbytes = run->request };
        pointers[i] = &iocbs[i];
        prepare(run, &iocbs[i]);
    }
    uint64_t start = rows_now_ns();
    if (syscall(SYS_io_submit, context, in_flight, pointers) != in_flight)
        rows_fail("io_submit");
    while (busy > 0) {
        long got = syscall(SYS_io_getevents, context, 1, IN_FLIGHT_MAX, events, NULL);
        long again = 0;
        for (long i = 0; i < got; i++) {
            if (events[i].res != (int64_t)run->request)
                rows_fail("disk");
            struct iocb *iocb = (struct iocb *)(uintptr_t)events[i].obj;
            if (run->left > 0) {
                prepare(run, iocb);
                pointers[again++] = iocb;
            } else {
                busy--;
            }
        }
        if (again && syscall(SYS_io_submit, context, again, pointers) != again)
            rows_fail("io_submit");
    }
    uint64_t ns = rows_now_ns() - start;
    syscall(SYS_io_destroy, context);
    snprintf(name, sizeof(name), "disk_%s_%s_%u", run->is_write ? "write" : "read",
             run->is_random ? "4k_random" : "128k", in_flight);
    if (run->is_random)
        rows_report(name, count * 1000000000 / ns, "requests/s");
    else
        rows_report(name, count * run->request * 1000 / ns, "MB/s");
}

void disk_rows(const char *device, bool is_write)
{
    static const unsigned int depths[] = { 1, IN_FLIGHT_MAX };
    struct disk_run run = { .is_write = is_write };
    uint8_t *buffers;

    run.fd = open(device, (is_write ? O_RDWR : O_RDONLY) | O_DIRECT);
    if (run.fd < 0 || ioctl(run.fd, BLKGETSIZE64, &run.size))
        rows_fail(device);
    if (posix_memalign((void **)&buffers, 4096, IN_FLIGHT_MAX * LARGE))
        rows_fail("memory");
    memset(buffers, 0, IN_FLIGHT_MAX * LARGE);
    for (size_t i = 0; i < 2; i++) {
        run.is_random = false;
        run.request = LARGE;
        measure_disk(&run, depths[i], buffers);
        run.is_random = true;
        run.request = SMALL;
        if (!is_write)
            measure_disk(&run, depths[i], buffers);
    }
    if (is_write)
        fsync(run.fd);
}
