/*
 * Between server.c, which accepts and ends connections, and connection.c, which serves one.
 */
#pragma once

#include "kernel/sync/mutex.h"
#include "kernel/sync/wait_group.h"
#include "lib/atomic.h"
#include "lib/list.h"
#include "net/httpd/server.h"

struct socket;
struct task;

struct httpd {
    struct httpd_config config; /* const */
    struct socket *listener;    /* const */
    struct task *acceptor;      /* const */
    struct mutex lock;
    struct list connections __guarded_by(lock);
    unsigned int connection_count __guarded_by(lock);
    struct wait_group running; /* the connections' tasks */
    atomic_bool is_stopping;
};

struct httpd_connection {
    struct list_node node; /* guarded by server->lock */
    struct httpd *server;
    struct socket *socket;
    bool is_refused; /* one too many: it is told so */

    /* Its own task's. */
    struct http_head_scan scan;
    struct http_request request;
    size_t fill; /* bytes received and not used yet */
    char input[HTTP_REQUEST_HEAD_MAX + 1];
    struct http_response response;
};

void httpd_count(enum httpd_counter counter, int64_t amount);

/** httpd_serve() - requests and responses until one side has enough; leaves the socket open. */
void httpd_serve(struct httpd_connection *connection);
