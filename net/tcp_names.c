/*
 * Names of TCP's states and counters, for people.
 */
#include "net/tcp.h"

const char *tcp_state_name(enum tcp_state state)
{
    static const char *const names[TCP_STATE_COUNT] = {
        [TCP_CLOSED] = "CLOSED",           [TCP_LISTEN] = "LISTEN",
        [TCP_SYN_SENT] = "SYN-SENT",       [TCP_SYN_RECEIVED] = "SYN-RECEIVED",
        [TCP_ESTABLISHED] = "ESTABLISHED", [TCP_FIN_WAIT_1] = "FIN-WAIT-1",
        [TCP_FIN_WAIT_2] = "FIN-WAIT-2",   [TCP_CLOSE_WAIT] = "CLOSE-WAIT",
        [TCP_CLOSING] = "CLOSING",         [TCP_LAST_ACK] = "LAST-ACK",
        [TCP_TIME_WAIT] = "TIME-WAIT",
    };

    return (unsigned int)state < TCP_STATE_COUNT ? names[state] : "?";
}

const char *tcp_counter_name(enum tcp_counter counter)
{
    static const char *const names[TCP_COUNTER_COUNT] = {
        [TCP_SEGMENTS_RECEIVED] = "segments received",
        [TCP_SEGMENTS_SENT] = "segments sent",
        [TCP_BYTES_RECEIVED] = "bytes received",
        [TCP_BYTES_SENT] = "bytes sent",
        [TCP_RETRANSMITTED] = "retransmitted",
        [TCP_FAST_RECOVERIES] = "fast recoveries",
        [TCP_TIMEOUTS] = "timeouts",
        [TCP_GAVE_UP] = "gave up",
        [TCP_BAD_CHECKSUM] = "bad checksum",
        [TCP_BAD_HEADER] = "bad header",
        [TCP_OUT_OF_ORDER] = "out of order",
        [TCP_DUPLICATES] = "duplicates",
        [TCP_OUT_OF_WINDOW] = "out of window",
        [TCP_PAWS_REJECTED] = "old timestamps",
        [TCP_CHALLENGE_ACKS] = "challenge ACKs",
        [TCP_RESETS_RECEIVED] = "resets received",
        [TCP_RESETS_SENT] = "resets sent",
        [TCP_ACTIVE_OPENS] = "active opens",
        [TCP_PASSIVE_OPENS] = "passive opens",
        [TCP_ATTEMPTS_FAILED] = "attempts failed",
        [TCP_SYN_COOKIES_SENT] = "SYN cookies sent",
        [TCP_SYN_COOKIES_ACCEPTED] = "SYN cookies accepted",
        [TCP_SYN_COOKIES_REFUSED] = "SYN cookies refused",
        [TCP_ACCEPT_QUEUE_FULL] = "accept queue full",
        [TCP_ZERO_WINDOW_PROBES] = "window probes",
        [TCP_KEEPALIVE_PROBES] = "keep-alive probes",
        [TCP_NO_MEMORY] = "no memory",
        [TCP_TIME_WAIT_REUSED] = "TIME-WAIT reused",
        [TCP_NO_PORT] = "no port free",
    };

    return (unsigned int)counter < TCP_COUNTER_COUNT ? names[counter] : "?";
}
