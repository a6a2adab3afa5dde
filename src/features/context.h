#pragma once
/*
 * What the run of a feature may touch: its inputs and outputs by URI, progress, the question whether
 * to stop, two folders, a logger. The worker's child, the command line and the tests each make one;
 * a run knows none of them apart.
 *
 * Thread-safety: progress, is_cancelled and log may be called by any thread of the run; the opening
 * calls by one thread at a time.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"

struct kn_context {
    const struct kn_context_ops *ops;
    void *impl;
    struct kn_log log;
    // Empty at the start of an attempt, removed after it. Borrowed.
    const char *scratch_folder;
    // The job's own folder: kept between attempts of one job on this machine, removed when the job
    // ends. Checkpoints and first-pass statistics live here. NULL when the caller keeps none.
    const char *keep_folder;
    int n_threads; // cores this job may use; at least 1
};

struct kn_context_ops {
    /*
     * Open what a URI names: oss://bucket/key, http(s)://…, a media id as media://id, or a path
     * (command line only). KN_ENOTFOUND reason "ResourceNotFound"; KN_EINVAL reason
     * "ResourceAccess" when the rules forbid it. Nested references (playlist segments) come here
     * too, already resolved against their playlist.
     */
    kn_code (*open_input)(struct kn_context *context, const char *uri, struct kn_source **out,
                          struct kn_error *err);
    /*
     * Stage an output under its final name. Writing is to sink->fd; kn_sink_commit() hands it over;
     * all committed outputs become visible together when the run returns KN_OK.
     */
    kn_code (*open_output)(struct kn_context *context, const char *uri, struct kn_sink **out,
                           struct kn_error *err);
    /* 0 to 1; `detail` (borrowed, may be NULL) is kept with the job. Cheap to call often. */
    void (*progress)(struct kn_context *context, double fraction, const json_t *detail);
    bool (*is_cancelled)(struct kn_context *context);
};

static inline kn_code kn_context_open_input(struct kn_context *context, const char *uri,
                                            struct kn_source **out, struct kn_error *err)
{
    return context->ops->open_input(context, uri, out, err);
}

static inline kn_code kn_context_open_output(struct kn_context *context, const char *uri,
                                             struct kn_sink **out, struct kn_error *err)
{
    return context->ops->open_output(context, uri, out, err);
}

static inline void kn_context_progress(struct kn_context *context, double fraction,
                                       const json_t *detail)
{
    context->ops->progress(context, fraction, detail);
}

static inline bool kn_context_is_cancelled(struct kn_context *context)
{
    return context->ops->is_cancelled(context);
}

/*
 * A feature's run: canonical spec in, result out (a new reference; may be set on failure too, then
 * it says which outputs failed and how).
 */
typedef kn_code (*kn_feature_run)(struct kn_context *context, const json_t *spec,
                                  json_t **out_result, struct kn_error *err);
