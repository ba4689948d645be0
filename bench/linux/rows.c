/*
 * The rows of nos's `bench` that a Linux user sees: disk requests and small files. A static program
 * that runs from the initial file system; output is a line `NAME VALUE UNIT` each.
 *
 *     rows disk DEVICE [write]      128 KiB sequential and 4 KiB random, 1 and 32 in flight
 *     rows files DIRECTORY COUNT [sync]
 *     rows tcp ADDRESS              where bench/linux/peer.c runs
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT_MAX 32
#define LARGE         (128 * 1024)
#define SMALL         4096
#define LARGE_TOTAL   (64UL * 1024 * 1024)
#define SMALL_COUNT   8000

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
    printf("rows: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- disk: the kernel's own asynchronous I/O, without the page cache ----------------------- */

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
    uint64_t count = run->is_random ? SMALL_COUNT : LARGE_TOTAL / run->request;
    unsigned int busy = in_flight;

    if (syscall(SYS_io_setup, IN_FLIGHT_MAX, &context))
        fail("io_setup");
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
    uint64_t start = now_ns();
    if (syscall(SYS_io_submit, context, in_flight, pointers) != in_flight)
        fail("io_submit");
    while (busy > 0) {
        long got = syscall(SYS_io_getevents, context, 1, IN_FLIGHT_MAX, events, NULL);
        long again = 0;
        for (long i = 0; i < got; i++) {
            if (events[i].res != (int64_t)run->request)
                fail("disk");
            struct iocb *iocb = (struct iocb *)(uintptr_t)events[i].obj;
            if (run->left > 0) {
                prepare(run, iocb);
                pointers[again++] = iocb;
            } else {
                busy--;
            }
        }
        if (again && syscall(SYS_io_submit, context, again, pointers) != again)
            fail("io_submit");
    }
    uint64_t ns = now_ns() - start;
    syscall(SYS_io_destroy, context);
    printf("disk_%s_%s_%u ", run->is_write ? "write" : "read",
           run->is_random ? "4k_random" : "128k", in_flight);
    if (run->is_random)
        printf("%lu requests/s\n", count * 1000000000 / ns);
    else
        printf("%lu MB/s\n", count * run->request * 1000 / ns);
}

static void disk_rows(const char *device, bool is_write)
{
    static const unsigned int depths[] = { 1, IN_FLIGHT_MAX };
    struct disk_run run = { .is_write = is_write };
    uint8_t *buffers;

    run.fd = open(device, (is_write ? O_RDWR : O_RDONLY) | O_DIRECT);
    if (run.fd < 0 || ioctl(run.fd, BLKGETSIZE64, &run.size))
        fail(device);
    if (posix_memalign((void **)&buffers, 4096, IN_FLIGHT_MAX * LARGE))
        fail("memory");
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

/* ---- files ----------------------------------------------------------------------------------- */

static const char *directory;
static bool is_synced_each;
static uint8_t data[SMALL];

static const char *path_of(long number)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/bench/file%ld", directory, number);
    return path;
}

static void create_one(long number)
{
    int fd = open(path_of(number), O_WRONLY | O_CREAT | O_EXCL, 0644);

    if (fd < 0 || write(fd, data, SMALL) != SMALL || (is_synced_each && fsync(fd)))
        fail("create");
    close(fd);
}

static void stat_one(long number)
{
    struct stat status;

    if (stat(path_of(number), &status) || status.st_size != SMALL)
        fail("stat");
}

static void read_one(long number)
{
    int fd = open(path_of(number), O_RDONLY);

    if (fd < 0 || read(fd, data, SMALL) != SMALL)
        fail("read");
    close(fd);
}

static void remove_one(long number)
{
    if (unlink(path_of(number)))
        fail("unlink");
}

static void measure_files(const char *name, long count, void (*step)(long), bool ends_in_sync)
{
    uint64_t start = now_ns();

    for (long i = 0; i < count; i++)
        step(i);
    if (ends_in_sync)
        sync();
    uint64_t tenths = (now_ns() - start) * 10 / (uint64_t)count;
    printf("%s %lu.%lu ns\n", name, tenths / 10, tenths % 10);
}

static void files_rows(long count)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/bench", directory);
    if (mkdir(path, 0755))
        fail(path);
    measure_files(is_synced_each ? "files_create_synced" : "files_create", count, create_one, true);
    measure_files("files_stat", count, stat_one, false);
    measure_files("files_read", count, read_one, false);
    measure_files("files_remove", count, remove_one, true);
    rmdir(path);
}

/* ---- TCP ---------------------------------------------------------------------------------------
 */

#define TCP_TOTAL (64UL * 1024 * 1024)
#define TCP_CHUNK 65536
#define TRIPS     2000

static int connect_to(const char *address, int port)
{
    struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_aton(address, &peer.sin_addr);
    if (connect(fd, (struct sockaddr *)&peer, sizeof(peer)))
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void tcp_rows(const char *address)
{
    static uint8_t buffer[TCP_CHUNK];
    static uint64_t times[TRIPS];
    size_t total = 0;
    int fd = connect_to(address, 7001);
    uint64_t start = now_ns();

    while (total < TCP_TOTAL) {
        ssize_t got = read(fd, buffer, sizeof(buffer));
        if (got <= 0)
            fail("receive");
        total += (size_t)got;
    }
    printf("tcp_receive %lu MB/s\n", total * 1000 / (now_ns() - start));
    close(fd);
    fd = connect_to(address, 7002);
    start = now_ns();
    for (total = 0; total < TCP_TOTAL; total += TCP_CHUNK)
        if (write(fd, buffer, TCP_CHUNK) != TCP_CHUNK)
            fail("send");
    shutdown(fd, SHUT_WR);
    if (read(fd, buffer, 1) != 0)
        fail("send");
    printf("tcp_send %lu MB/s\n", total * 1000 / (now_ns() - start));
    close(fd);
    fd = connect_to(address, 7003);
    for (int i = 0; i < TRIPS; i++) {
        start = now_ns();
        if (write(fd, buffer, 1) != 1 || read(fd, buffer, 1) != 1)
            fail("round trip");
        times[i] = now_ns() - start;
    }
    close(fd);
    qsort(times, TRIPS, sizeof(times[0]), compare_times);
    printf("tcp_round_trip_median %lu ns\ntcp_round_trip_p99 %lu ns\n", times[TRIPS / 2],
           times[TRIPS * 99 / 100]);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 3 && strcmp(argv[1], "disk") == 0) {
        disk_rows(argv[2], argc > 3);
    } else if (argc >= 4 && strcmp(argv[1], "files") == 0) {
        directory = argv[2];
        is_synced_each = argc > 4;
        files_rows(atol(argv[3]));
    } else if (argc == 3 && strcmp(argv[1], "tcp") == 0) {
        tcp_rows(argv[2]);
    } else {
        printf("usage: rows disk DEVICE [write] | rows files DIRECTORY COUNT [sync] | "
               "rows tcp ADDRESS\n");
        return 2;
    }
    return 0;
}
