/*
 * A scripted HTTP server in a task: answers the requests that come with the texts of a script, in
 * order, whatever they ask, and keeps what they asked.
 */
#pragma once

#include "tests/unit/unit.h"

enum http_step_end {
    HTTP_STEP_KEEPS,  /* waits for the next request, on this connection or a new one */
    HTTP_STEP_CLOSES, /* the connection */
    HTTP_STEP_RESETS,
    HTTP_STEP_HANGS, /* says no more until the client goes */
};

struct http_step {
    const char *answer; /* NULL: nothing */
    enum http_step_end end;
    size_t padding; /* this many letters follow the answer */
};

#define HTTP_SERVER_STEPS_MAX 32

struct http_server {
    const struct http_step *steps; /* the last has answer NULL and end HTTP_STEP_KEEPS */
    unsigned int requests;         /* that came */
    unsigned int connections;      /* on which any came */
    char asked[HTTP_SERVER_STEPS_MAX][2048];
};

/** http_server_start() - listen on port 80; the caller joins the task after http_server_stop(). */
struct task *http_server_start(struct http_server *server, const struct http_step *steps);
/** http_server_stop() - and wait until it is gone. */
void http_server_stop(struct task *task);
