#pragma once
/*
 * Which feature runs a job of a kind. The worker has one table (worker/features.c); the tests' worker
 * has one of its own with features that misbehave.
 */
#include "features/context.h"

struct kn_worker_feature {
    const char *kind; // NULL ends the table
    // Open engines and map models while files and dlopen() are still free; NULL: nothing to open.
    kn_code (*open)(const json_t *spec, struct kn_error *err);
    kn_feature_run run;
};

extern const struct kn_worker_feature kn_worker_features[];
