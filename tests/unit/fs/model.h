/*
 * A file system in a few arrays, and random operations done to it and to a mounted one alike.
 *
 * The state of either is one number, a sum over all files and directories of a hash of path, type,
 * size and contents: equal trees have equal states.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/unit.h"

#define MODEL_NODES    48
#define MODEL_FILE_MAX (600u * 1024)

struct model_node {
    bool is_used, is_directory;
    int parent;
    char name[256];
    uint8_t *data;
    size_t size;
    uint64_t contents; /* hash */
};

struct model {
    struct model_node nodes[MODEL_NODES]; /* 0: the root */
    struct unit_random random;
    size_t write_max;    /* bytes of one write */
    size_t size_max;     /* of a file */
    bool expects_faults; /* EIO and EROFS are no failures; the model no longer holds after one */
    bool has_faulted;
    unsigned int done, refused; /* operations */
};

enum model_step {
    MODEL_CHANGED,
    MODEL_SYNCED
};

void model_init(struct model *model, uint64_t seed);
void model_free(struct model *model);
/* One random operation on both; they must agree. */
enum model_step model_step(struct model *model);
uint64_t model_state(const struct model *model);
/* The state of what is mounted; reads every byte. *@error: the first. */
uint64_t mounted_state(int *error);
/* The nanofs mounted at /. */
struct nanofs *mounted_nanofs(void);
/* All files read and compared byte by byte. */
void model_verify(const struct model *model);
