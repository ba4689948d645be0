/*
 * The host's side of the TCP rows: a source on port 7001, a sink on 7002 that closes when the other
 * side does, an echo on 7003. Any number of connections; ends when it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[1 << 18];

static void serve_source(int fd)
{
    while (write(fd, buffer, sizeof(buffer)) > 0)
        ;
}

static void serve_sink(int fd)
{
    while (read(fd, buffer, sizeof(buffer)) > 0)
        ;
}

static void serve_echo(int fd)
{
    ssize_t got;

    while ((got = read(fd, buffer, sizeof(buffer))) > 0)
        if (write(fd, buffer, (size_t)got) != got)
            break;
}

static void listen_on(int port, void (*serve)(int fd))
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64)) {
        perror("peer");
        exit(1);
    }
    if (fork() != 0)
        return;
    for (;;) {
        int connection = accept(fd, NULL, NULL);
        if (connection < 0)
            continue;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (fork() == 0) {
            serve(connection);
            exit(0);
        }
        close(connection);
    }
}

int main(void)
{
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    setpgid(0, 0);
    listen_on(7001, serve_source);
    listen_on(7002, serve_sink);
    listen_on(7003, serve_echo);
    printf("ready\n");
    fflush(stdout);
    pause();
    return 0;
}
