#pragma once
/*
 * A job context over folders of this machine: inputs are paths (oss://a/b is the path a/b), outputs
 * are written beside their final name and appear there together when kn_local_context_publish() is called.
 * The tests run features with it.
 */
#include "features/context.h"

struct kn_local_context {
    struct kn_context context; // give &local->context to a run
    char *scratch;             // owned
    double last_fraction;
    int n_progress;
    int cancel_after; // cancel when progress was told this often; 0 never
    double die_at;    // kill this process, as by kill -9, when progress reaches this; 0 never
    struct kn_local_output *outputs; // owned
};

/* The scratch folder is made under `folder`; a folder to keep is the caller's to add. False without memory or folder. */
bool kn_local_context_init(struct kn_local_context *local, const char *folder, int n_threads);
/* Rename all committed outputs to their names. */
kn_code kn_local_context_publish(struct kn_local_context *local, struct kn_error *err);
/* Removes what was not published. */
void kn_local_context_clear(struct kn_local_context *local);
