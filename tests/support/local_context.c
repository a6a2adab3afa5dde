/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "support/local_context.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"

struct kn_local_output {
    char *staged, *final;
    bool is_committed;
    struct kn_local_output *next;
};

static kn_code local_open_input(struct kn_context *context, const char *uri, struct kn_source **out,
                                struct kn_error *err)
{
    (void)context;
    return kn_source_open_file(out, kn_starts_with(uri, "oss://") ? uri + strlen("oss://") : uri, err);
}

static kn_code local_commit(struct kn_sink *sink, struct kn_error *err)
{
    (void)err;
    ((struct kn_local_output *)sink->impl)->is_committed = true;
    return KN_OK;
}

static kn_code local_open_output(struct kn_context *context, const char *uri, struct kn_sink **out,
                                 struct kn_error *err)
{
    struct kn_local_context *local = context->impl;
    struct kn_local_output *o = calloc(1, sizeof(*o));
    struct kn_sink *sink = calloc(1, sizeof(*sink));
    struct kn_buf staged = {0};
    kn_buf_printf(&staged, "%s.part", uri);
    if (!o || !sink)
        return kn_fail(err, KN_ENOMEM, "no memory for an output");
    o->staged = kn_buf_take(&staged);
    o->final = strdup(uri);
    o->next = local->outputs;
    local->outputs = o;
    (void)kn_fs_make_parents(uri, 0755, NULL);
    sink->fd = open(o->staged, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (sink->fd < 0) {
        free(sink);
        return kn_fail_errno(err, errno, "cannot write '%s'", uri);
    }
    sink->uri = strdup(uri);
    sink->commit = local_commit;
    sink->impl = o;
    *out = sink;
    return KN_OK;
}

static void local_progress(struct kn_context *context, double fraction, const json_t *detail)
{
    (void)detail;
    struct kn_local_context *local = context->impl;
    local->last_fraction = fraction;
    local->n_progress++;
    if (local->die_at > 0 && fraction >= local->die_at)
        (void)raise(SIGKILL);
}

static bool local_is_cancelled(struct kn_context *context)
{
    const struct kn_local_context *local = context->impl;
    return local->cancel_after && local->n_progress >= local->cancel_after;
}

static const struct kn_context_ops local_ops = {
    .open_input = local_open_input,
    .open_output = local_open_output,
    .progress = local_progress,
    .is_cancelled = local_is_cancelled,
};

bool kn_local_context_init(struct kn_local_context *local, const char *folder, int n_threads)
{
    *local = (struct kn_local_context){0};
    struct kn_buf scratch = {0};
    kn_buf_printf(&scratch, "%s/scratch", folder);
    local->scratch = kn_buf_take(&scratch);
    local->context = (struct kn_context){.ops = &local_ops, .impl = local, .n_threads = n_threads,
                                         .scratch_folder = local->scratch};
    return local->scratch && kn_fs_make_folders(local->scratch, 0755, NULL) == KN_OK;
}

kn_code kn_local_context_publish(struct kn_local_context *local, struct kn_error *err)
{
    for (const struct kn_local_output *o = local->outputs; o; o = o->next)
        if (o->is_committed && rename(o->staged, o->final) != 0)
            return kn_fail_errno(err, errno, "cannot publish '%s'", o->final);
    return KN_OK;
}

void kn_local_context_clear(struct kn_local_context *local)
{
    while (local->outputs) {
        struct kn_local_output *o = local->outputs;
        local->outputs = o->next;
        (void)unlink(o->staged); // gone when published
        free(o->staged);
        free(o->final);
        free(o);
    }
    free(local->scratch);
    local->scratch = NULL;
}
