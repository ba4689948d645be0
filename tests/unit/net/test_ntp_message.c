/*
 * Answers of time servers: good ones, and every way to be none.
 */
#include "kernel/time/clock.h"
#include "net/ntp_message.h"
#include "tests/unit/unit.h"

#define NONCE 0x0123456789ABCDEFull

static uint8_t packet[NTP_PACKET_SIZE + 20];
static struct ntp_reply reply;

static void put64(size_t at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        packet[at + i] = (uint8_t)(value >> (56 - 8 * i));
}

/* An answer as a server of stratum 2 gives it, at 2026-11-22 00:00:00 and a quarter. */
#define SERVER_UNIX 1795305600ull
#define SERVER_NTP  ((SERVER_UNIX + 2208988800ull) << 32 | 0x40000000)

static void make_reply(void)
{
    memset(packet, 0, sizeof(packet));
    packet[0] = 4 << 3 | 4;
    packet[1] = 2;
    memcpy(packet + 12, "\x0a\x00\x00\x01", 4);
    put64(24, NONCE);
    put64(32, SERVER_NTP);
    put64(40, SERVER_NTP + (1 << 22)); /* 977 us later */
}

static enum ntp_verdict parse(void)
{
    memset(&reply, 0xA5, sizeof(reply));
    return ntp_reply_parse(packet, NTP_PACKET_SIZE, NONCE, &reply);
}

static void test_request(void **state)
{
    (void)state;
    memset(packet, 0xFF, sizeof(packet));
    ntp_request_build(packet, NONCE);
    assert_int_equal(packet[0], 0x23);
    for (size_t i = 1; i < 40; i++)
        assert_int_equal(packet[i], 0);
    assert_memory_equal(packet + 40, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
    assert_int_equal(parse(), NTP_NOT_OURS); /* our own packet, reflected */
}

static void test_good(void **state)
{
    (void)state;
    make_reply();
    assert_int_equal(parse(), NTP_GOOD);
    assert_int_equal(reply.stratum, 2);
    assert_string_equal(reply.reference, "10.0.0.1");
    assert_int_equal(reply.received_ns, SERVER_UNIX * NS_PER_S + NS_PER_S / 4);
    assert_int_equal(reply.transmitted_ns - reply.received_ns, 976562);
    packet[0] = 1 << 6 | 3 << 3 | 4; /* a leap second announced, version 3 */
    packet[1] = 1;
    memcpy(packet + 12, "GPS\0", 4);
    assert_int_equal(ntp_reply_parse(packet, sizeof(packet), NONCE, &reply), NTP_GOOD);
    assert_string_equal(reply.reference, "GPS");
    packet[1] = 15;
    assert_int_equal(parse(), NTP_GOOD);
}

static void test_not_ours(void **state)
{
    (void)state;
    make_reply();
    for (size_t length = 0; length < NTP_PACKET_SIZE; length++)
        assert_int_equal(ntp_reply_parse(packet, length, NONCE, &reply), NTP_NOT_OURS);
    assert_int_equal(ntp_reply_parse(packet, NTP_PACKET_SIZE, NONCE + 1, &reply), NTP_NOT_OURS);
    for (unsigned int flags = 0; flags < 64; flags++) {
        packet[0] = (uint8_t)flags;
        bool is_answer = (flags & 7) == 4 && flags >> 3 >= 1 && flags >> 3 <= 4;
        assert_int_equal(parse(), is_answer ? NTP_GOOD : NTP_NOT_OURS);
    }
}

static void test_kiss(void **state)
{
    (void)state;
    make_reply();
    packet[0] = 0xE4;
    packet[1] = 0;
    memcpy(packet + 12, "RATE", 4);
    assert_int_equal(parse(), NTP_KISS);
    assert_string_equal(reply.reference, "RATE");
    memcpy(packet + 12, "X\x1b[2", 4);
    assert_int_equal(parse(), NTP_KISS);
    assert_string_equal(reply.reference, "X?[2");
    memcpy(packet + 12, "INIT", 4);
    assert_int_equal(parse(), NTP_UNSYNCHRONISED);
    memset(packet + 12, 0, 4); /* stratum 16 as it goes over the wire */
    assert_int_equal(parse(), NTP_UNSYNCHRONISED);
    memcpy(packet + 12, "RATE", 4);
    put64(24, NONCE ^ 1); /* a kiss that anybody could send */
    assert_int_equal(parse(), NTP_NOT_OURS);
}

static void test_unsynchronised(void **state)
{
    (void)state;
    make_reply();
    packet[0] |= 3 << 6;
    assert_int_equal(parse(), NTP_UNSYNCHRONISED);
    for (unsigned int stratum = 16; stratum < 256; stratum++) {
        make_reply();
        packet[1] = (uint8_t)stratum;
        assert_int_equal(parse(), NTP_UNSYNCHRONISED);
    }
    make_reply();
    packet[9] = 16; /* dispersion: 16 s */
    assert_int_equal(parse(), NTP_UNSYNCHRONISED);
    packet[9] = 15;
    assert_int_equal(parse(), NTP_GOOD);
    packet[5] = 2; /* delay: half of 2 s more */
    assert_int_equal(parse(), NTP_UNSYNCHRONISED);
    memset(packet + 4, 0xFF, 8);
    assert_int_equal(parse(), NTP_UNSYNCHRONISED);
}

static void test_times(void **state)
{
    static const struct {
        uint64_t timestamp;
        uint64_t unix_s; /* 0: none */
    } times[] = {
        { 0, 0 },
        { 2208988799ull << 32, 0 },             /* before 1970 */
        { 2208988801ull << 32, 1 },             /* after */
        { 0xFFFFFFFFull << 32, 2085978495ull }, /* the last second of the era, in 2036 */
        { 1, 2085978496ull },                   /* the first of the next */
        { 0x7FFFFFFFull << 32, 4233462143ull }, /* 2104 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        make_reply();
        put64(32, times[i].timestamp);
        put64(40, times[i].timestamp);
        assert_int_equal(parse(), times[i].unix_s ? NTP_GOOD : NTP_IMPLAUSIBLE);
        if (times[i].unix_s)
            assert_int_equal(reply.received_ns / NS_PER_S, times[i].unix_s);
    }
    make_reply();
    put64(40, SERVER_NTP - 1); /* sent before it came */
    assert_int_equal(parse(), NTP_IMPLAUSIBLE);
}

static void test_samples(void **state)
{
    struct ntp_sample sample;

    (void)state;
    reply.received_ns = 1000 * NS_PER_S;
    reply.transmitted_ns = 1002 * NS_PER_S;
    /* There in 1 s, back in 1 s: at our 12 s it was 1001 s there. */
    assert_true(ntp_sample_make(&reply, 10 * NS_PER_S, 14 * NS_PER_S, &sample));
    assert_int_equal(sample.delay_ns, 2 * NS_PER_S);
    assert_int_equal(sample.epoch_ns, 989 * NS_PER_S);
    /* It had it for 2 s, we waited for 1. */
    assert_false(ntp_sample_make(&reply, 10 * NS_PER_S, 11 * NS_PER_S, &sample));
    /* Its clock is coarse. */
    assert_true(ntp_sample_make(&reply, 0, 2 * NS_PER_S - NS_PER_MS, &sample));
    assert_int_equal(sample.delay_ns, 0);
    /* Our clock runs longer than theirs. */
    assert_true(ntp_sample_make(&reply, 5000 * NS_PER_S, 5002 * NS_PER_S, &sample));
    assert_int_equal(sample.epoch_ns, -4000 * (int64_t)NS_PER_S);
}

UNIT_TESTS(UNIT_TEST(test_request), UNIT_TEST(test_good), UNIT_TEST(test_not_ours),
           UNIT_TEST(test_kiss), UNIT_TEST(test_unsynchronised), UNIT_TEST(test_times),
           UNIT_TEST(test_samples))
