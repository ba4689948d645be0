/*
 * The rows of growth: what an operation costs among few and among many.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rows.h"

static void report(const char *what, unsigned int size, uint64_t start, uint64_t count)
{
    char name[40];
    uint64_t ns = rows_now_ns() - start;

    snprintf(name, sizeof(name), "growth_%s_%u", what, size);
    rows_report_per(name, ns, count);
}

/* ---- files in a directory -------------------------------------------------------------------- */

#define FILES_SMALL 100
#define FILES_LARGE 100000
#define LOOKS       20000
#define MAKINGS     5000

static char directory[256];

static const char *path_of(uint32_t number)
{
    static char path[300];

    snprintf(path, sizeof(path), "%s/file%u", directory, number);
    return path;
}

static void make_file(uint32_t number)
{
    int fd = open(path_of(number), O_WRONLY | O_CREAT | O_EXCL, 0644);

    if (fd < 0)
        rows_fail("create");
    close(fd);
}

static void measure_directory(unsigned int count)
{
    uint64_t looks = rows_count(LOOKS), makings = rows_count(MAKINGS), start;
    uint32_t random = ROWS_SEED;
    struct stat status;

    if (mkdir(directory, 0755))
        rows_fail(directory);
    for (uint32_t i = 0; i < count; i++)
        make_file(i);
    sync();
    start = rows_now_ns();
    for (uint64_t i = 0; i < looks; i++)
        if (stat(path_of(rows_random_below(&random, count)), &status))
            rows_fail("stat");
    report("stat", count, start, looks);
    start = rows_now_ns();
    for (uint64_t i = 0; i < makings; i++) {
        make_file(count);
        if (unlink(path_of(count)))
            rows_fail("unlink");
    }
    sync();
    report("make", count, start, makings);
    for (uint32_t i = 0; i < count; i++)
        unlink(path_of(i));
    rmdir(directory);
}

void growth_files_rows(const char *where)
{
    snprintf(directory, sizeof(directory), "%s/growth", where);
    measure_directory(FILES_SMALL);
    measure_directory((unsigned int)rows_count(FILES_LARGE));
}

/* ---- connections over the loopback, both ends here --------------------------------------------
 */

#define CONNECTIONS_LARGE 10000
#define TRIPS             20000
#define OPENINGS          2000

struct pair {
    int client, server;
};

static int listener;
static struct sockaddr_in listener_address;

static void listen_somewhere(void)
{
    socklen_t length = sizeof(listener_address);

    listener_address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&listener_address, length) || listen(listener, 16) ||
        getsockname(listener, (struct sockaddr *)&listener_address, &length))
        rows_fail("listen");
}

static struct pair open_pair(void)
{
    struct linger abort_at_once = { .l_onoff = 1 };
    struct pair pair = { .client = socket(AF_INET, SOCK_STREAM, 0) };
    int one = 1;

    if (connect(pair.client, (struct sockaddr *)&listener_address, sizeof(listener_address)))
        rows_fail("connect");
    pair.server = accept(listener, NULL, NULL);
    if (pair.server < 0)
        rows_fail("accept");
    setsockopt(pair.client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(pair.server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &abort_at_once, sizeof(abort_at_once));
    return pair;
}

static void close_pair(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
}

static void pass_byte(int from, int to)
{
    char byte = 0;

    if (write(from, &byte, 1) != 1 || read(to, &byte, 1) != 1)
        rows_fail("trip");
}

static void measure_with(unsigned int count)
{
    uint64_t trips = rows_count(TRIPS), openings = rows_count(OPENINGS), start;
    struct pair *pairs = calloc(count, sizeof(*pairs));
    uint32_t random = ROWS_SEED;

    for (unsigned int i = 0; i < count; i++)
        pairs[i] = open_pair();
    start = rows_now_ns();
    for (uint64_t i = 0; i < trips; i++) {
        struct pair *pair = &pairs[rows_random_below(&random, count)];
        pass_byte(pair->client, pair->server);
        pass_byte(pair->server, pair->client);
    }
    report("trip", count, start, trips);
    start = rows_now_ns();
    for (uint64_t i = 0; i < openings; i++) {
        struct pair pair = open_pair();
        close_pair(&pair);
    }
    report("connect", count, start, openings);
    for (unsigned int i = 0; i < count; i++)
        close_pair(&pairs[i]);
    free(pairs);
}

void growth_connections_rows(void)
{
    struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };

    if (setrlimit(RLIMIT_NOFILE, &limit))
        rows_fail("setrlimit");
    listen_somewhere();
    measure_with(1);
    measure_with((unsigned int)rows_count(CONNECTIONS_LARGE));
}
