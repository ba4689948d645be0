/*
 * How fast: TCP's congestion control against a model of the algorithm of the same name, as Linux
 * has it, on the same path. The model knows nothing of segments and timers: it counts in round
 * trips and in segments, with real numbers, after the text of the RFC. It loses no time to
 * timeouts, so it is a little better than any real sender.
 */
// links: net/loopback.c net/arp.c tests/unit/net/wire.c tests/unit/net/tcp_transfer.c
#include <math.h>

#include "tests/unit/net/tcp_transfer.h"

#define SEGMENT 1448 /* with timestamps */
#define RUNS    5

struct model {
    double cwnd, ssthresh; /* segments */
    double w_max, w_est, k, epoch_s;
    double time_s;
};

/* ---- RFC 5681 ---- */

static void reno_round(struct model *model, double rtt_s)
{
    (void)rtt_s;
    model->cwnd += 1;
}

static void reno_loss(struct model *model)
{
    model->cwnd = fmax(model->cwnd / 2, 2);
}

/* ---- RFC 9438: C = 0.4, beta = 0.7 ---- */

static void cubic_round(struct model *model, double rtt_s)
{
    double t, target;

    if (model->epoch_s < 0) {
        model->epoch_s = model->time_s;
        model->w_est = model->cwnd;
        model->w_max = fmax(model->w_max, model->cwnd);
        model->k = cbrt((model->w_max - model->cwnd) / 0.4);
    }
    t = model->time_s - model->epoch_s + rtt_s;
    target = model->w_max + 0.4 * pow(t - model->k, 3);
    target = fmin(fmax(target, model->cwnd), 1.5 * model->cwnd); /* 4.2 */
    model->w_est += model->w_est < model->w_max ? 9.0 / 17 : 1;  /* 4.3 */
    model->cwnd = fmax(target, model->w_est);
}

static void cubic_loss(struct model *model)
{
    model->w_max = model->cwnd < model->w_max ? model->cwnd * 0.85 : model->cwnd; /* 4.7 */
    model->cwnd = fmax(model->cwnd * 0.7, 2);
    model->epoch_s = -1;
}

/* ---- the path ---- */

struct algorithm {
    enum tcp_congestion_kind kind;
    void (*round)(struct model *model, double rtt_s); /* a round trip without loss */
    void (*loss)(struct model *model);
};

static const struct algorithm cubic = { TCP_CONGESTION_CUBIC, cubic_round, cubic_loss };
static const struct algorithm newreno = { TCP_CONGESTION_NEWRENO, reno_round, reno_loss };

/* Seconds that the model takes. A round with a loss is followed by one that repairs it. */
static double model_seconds(const struct algorithm *algorithm, uint64_t seed, size_t length,
                            const struct wire_conditions *conditions)
{
    struct model model = { .cwnd = 10, .ssthresh = INFINITY, .epoch_s = -1 };
    double rtt_s = 2 * (double)conditions->delay_ns / 1e9, left = (double)length / SEGMENT;
    struct unit_random random = { seed };
    bool is_repairing = false;

    model.time_s = 2 * rtt_s; /* SYN, and the FIN's acknowledgment */
    while (left > 0) {
        unsigned int lost = 0;

        for (unsigned int i = 0; i < (unsigned int)model.cwnd; i++)
            lost += unit_random_below(&random, 10000) < conditions->loss;
        left -= (unsigned int)model.cwnd - lost;
        model.time_s += rtt_s;
        if (is_repairing) { /* what is lost now is repaired with it */
            is_repairing = false;
        } else if (lost > 0) {
            algorithm->loss(&model);
            model.ssthresh = model.cwnd;
            is_repairing = true;
        } else if (model.cwnd < model.ssthresh) {
            model.cwnd = fmin(2 * model.cwnd, model.ssthresh);
        } else {
            algorithm->round(&model, rtt_s);
        }
    }
    return model.time_s;
}

static void compare(const char *what, const struct algorithm *algorithm, size_t length,
                    const struct wire_conditions *conditions)
{
    double ours = 0, models = 0;

    for (uint64_t seed = 1; seed <= RUNS; seed++)
        ours += (double)transfer_by(algorithm->kind, seed, length, conditions) / 1e9 / RUNS;
    for (uint64_t seed = 1; seed <= 100; seed++)
        models += model_seconds(algorithm, seed, length, conditions) / 100;
    print_message("%s: %.0f B/s, model %.0f (%.0f %%)\n", what, (double)length / ours,
                  (double)length / models, 100 * models / ours);
    assert_true(models / ours >= 0.8);
}

/* The path: 100 ms, 1 % of frames lost, both ways. */
static void test_long_lossy_path(void **state)
{
    static const struct wire_conditions conditions = { .delay_ns = 50 * NS_PER_MS, .loss = 100 };

    (void)state;
    compare("cubic, 1 %", &cubic, 10000000, &conditions);
    compare("newreno, 1 %", &newreno, 10000000, &conditions);
}

/* Where the cube is what counts: few losses on a long path. */
static void test_long_better_path(void **state)
{
    static const struct wire_conditions conditions = { .delay_ns = 50 * NS_PER_MS, .loss = 5 };

    (void)state;
    compare("cubic, 0.05 %", &cubic, 40000000, &conditions);
    compare("newreno, 0.05 %", &newreno, 40000000, &conditions);
}

/* RFC 9438 5.1, RFC 3649: the formula 1.22 / sqrt(p) for Reno's window holds for the model itself.
 */
static void test_model(void **state)
{
    static const struct wire_conditions conditions = { .delay_ns = 50 * NS_PER_MS, .loss = 100 };
    double seconds = model_seconds(&newreno, 1, 1000000000, &conditions);
    double window = 1e9 / SEGMENT / (seconds / 0.1);

    (void)state;
    print_message("mean window %.2f, formula 12.2\n", window);
    assert_true(window > 12.2 * 0.85 && window < 12.2 * 1.15);
}

UNIT_TESTS(UNIT_TEST(test_model), UNIT_TEST(test_long_lossy_path), UNIT_TEST(test_long_better_path))
