/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A run's world, seen from inside the child: every opening is a question to the supervisor. */
#include "worker/job_context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

// People watch at most this often; a run may report every frame.
#define PROGRESS_EVERY_US (KN_SECOND / 10)

/* ---- inputs ---- */

struct handle {
    struct kn_uplink *uplink; // borrowed
    int64_t handle;
};

static kn_code remote_read_at(struct kn_source *source, int64_t offset, void *out, size_t n,
                              size_t *out_got, struct kn_error *err)
{
    const struct handle *input = source->impl;
    if (n > KN_LINK_BLOCK)
        n = KN_LINK_BLOCK;
    return kn_uplink_read(input->uplink, input->handle, offset, out, n, out_got, err);
}

static void remote_release(struct kn_source *source)
{
    struct handle *input = source->impl;
    (void)kn_uplink_tell(input->uplink, KN_FRAME_DROP,
                         json_pack("{s:I}", "handle", (json_int_t)input->handle),
                         NULL); // best effort: it ends with the job anyway
    free(input);
}

static kn_code remote_source_new(struct kn_source **out, struct kn_uplink *uplink, int64_t handle,
                                 int64_t size_bytes, const char *uri, struct kn_error *err)
{
    struct kn_source *source = calloc(1, sizeof(*source));
    struct handle *input = calloc(1, sizeof(*input));
    char *name = strdup(uri);
    if (!source || !input || !name) {
        free(source);
        free(input);
        free(name);
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", uri);
    }
    *input = (struct handle){.uplink = uplink, .handle = handle};
    *source = (struct kn_source){
        .fd = -1,
        .size_bytes = size_bytes,
        .uri = name,
        .read_at = remote_read_at,
        .release = remote_release,
        .impl = input,
    };
    *out = source;
    return KN_OK;
}

static kn_code context_open_input(struct kn_context *base, const char *uri, struct kn_source **out,
                                  struct kn_error *err)
{
    struct kn_uplink *uplink = ((struct kn_job_context *)base)->uplink;
    json_auto_t *answer = NULL;
    kn_auto(kn_close_fd) int fd = -1;
    *out = NULL;
    kn_code rc = kn_uplink_call(uplink, KN_FRAME_OPEN_INPUT, json_pack("{s:s}", "uri", uri),
                                &answer, &fd, err);
    if (rc)
        return rc;
    int64_t size_bytes = -1, handle = 0;
    (void)kn_json_int(answer, "size", "", -1, INT64_MAX, &size_bytes, NULL); // -1 when it is none
    (void)kn_json_int(answer, "handle", "", 0, INT64_MAX, &handle, NULL);
    if (fd >= 0)
        rc = kn_source_take_fd(out, KN_TAKE_FD(fd), uri, err);
    else
        rc = remote_source_new(out, uplink, handle, size_bytes, uri, err);
    if (rc == KN_OK)
        (void)kn_copy((*out)->identity, sizeof((*out)->identity),
                      kn_json_get(answer, "identity", ""));
    return rc;
}

/* ---- outputs ---- */

static kn_code output_commit(struct kn_sink *sink, struct kn_error *err)
{
    const struct handle *output = sink->impl;
    json_auto_t *answer = NULL;
    return kn_uplink_call(output->uplink, KN_FRAME_COMMIT,
                          json_pack("{s:I}", "handle", (json_int_t)output->handle), &answer, NULL,
                          err);
}

static void output_release(struct kn_sink *sink)
{
    struct handle *output = sink->impl;
    if (!sink->is_committed)
        (void)kn_uplink_tell(output->uplink, KN_FRAME_DROP,
                             json_pack("{s:I}", "handle", (json_int_t)output->handle),
                             NULL); // best effort: it is abandoned with the job anyway
    free(output);
}

static kn_code context_open_output(struct kn_context *base, const char *uri, struct kn_sink **out,
                                   struct kn_error *err)
{
    struct kn_uplink *uplink = ((struct kn_job_context *)base)->uplink;
    json_auto_t *answer = NULL;
    kn_auto(kn_close_fd) int fd = -1;
    *out = NULL;
    kn_code rc = kn_uplink_call(uplink, KN_FRAME_OPEN_OUTPUT, json_pack("{s:s}", "uri", uri),
                                &answer, &fd, err);
    if (rc)
        return rc;
    if (fd < 0)
        return kn_fail(err, KN_EBUG, "no descriptor came for '%s'", uri);
    int64_t handle = 0;
    (void)kn_json_int(answer, "handle", "", 0, INT64_MAX, &handle, NULL);
    struct kn_sink *sink = calloc(1, sizeof(*sink));
    struct handle *output = calloc(1, sizeof(*output));
    char *name = strdup(uri);
    if (!sink || !output || !name) {
        free(sink);
        free(output);
        free(name);
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", uri);
    }
    *output = (struct handle){.uplink = uplink, .handle = handle};
    *sink = (struct kn_sink){
        .fd = KN_TAKE_FD(fd),
        .uri = name,
        .commit = output_commit,
        .release = output_release,
        .impl = output,
    };
    *out = sink;
    return KN_OK;
}

/* ---- progress and cancelling ---- */

static void context_progress(struct kn_context *base, double fraction, const json_t *detail)
{
    struct kn_job_context *context = (struct kn_job_context *)base;
    int64_t now = kn_mono_us();
    long long next = atomic_load_explicit(&context->next_progress_us, memory_order_relaxed);
    if (now < next ||
        !atomic_compare_exchange_strong(&context->next_progress_us, &next, now + PROGRESS_EVERY_US))
        return;
    // The detail may be changed by its owner as soon as we return: it is turned into text here.
    (void)kn_uplink_tell(context->uplink, KN_FRAME_PROGRESS,
                         json_pack("{s:f, s:O?}", "fraction", fraction, "detail", detail),
                         NULL); // a report that is lost is followed by another
}

static bool context_is_cancelled(struct kn_context *base)
{
    return atomic_load_explicit(((struct kn_job_context *)base)->is_cancel_asked,
                                memory_order_relaxed);
}

void kn_job_context_init(struct kn_job_context *context, struct kn_uplink *uplink,
                         const atomic_bool *is_cancel_asked)
{
    static const struct kn_context_ops ops = {
        .open_input = context_open_input,
        .open_output = context_open_output,
        .progress = context_progress,
        .is_cancelled = context_is_cancelled,
    };
    *context = (struct kn_job_context){
        .base = {.ops = &ops, .n_threads = 1},
        .uplink = uplink,
        .is_cancel_asked = is_cancel_asked,
    };
    context->base.impl = context;
}
