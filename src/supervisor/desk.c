/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions wait in their lane, the first of each lane is worked on. A lane is a handle (an open input
 * without descriptor, or an output); lane 0 opens new ones.
 */
#include "supervisor/desk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

// An honest child asks once per thread; this bounds what a hostile one makes us hold.
#define MAX_ASKS 64
// Outputs open at once; an HLS run closes each segment before the next.
#define MAX_LANES 4096

struct lane {
    struct lane *next;
    int64_t handle;
    struct kn_source *source; // owned; one of the two, none in lane 0
    struct kn_sink *sink;     // owned
    struct ask *first, *last; // owned; the first is being worked on while is_busy
    bool is_busy;
    bool is_dropped; // by the child, or by closing: ends when its queue has
};

struct ask {
    struct ask *next;
    struct kn_desk *desk; // borrowed
    struct lane *lane;    // borrowed
    enum kn_frame_type type;
    uint32_t request;
    char *uri;               // owned; openings
    int64_t offset;          // READ
    size_t n, n_got;         // READ
    char *bytes;             // owned; READ
    struct kn_source *source; // owned until the answer
    struct kn_sink *sink;     // owned until the answer
    kn_code rc;
    struct kn_error error;
};

struct kn_desk {
    struct kn_desk_config config;
    struct lane opening; // lane 0
    struct lane *lanes;  // owned
    int n_lanes, n_asks;
    int64_t last_handle;
    bool is_closed;
};

static void ask_free(struct ask *ask)
{
    kn_source_free(&ask->source);
    kn_sink_free(&ask->sink);
    free(ask->uri);
    free(ask->bytes);
    free(ask);
}

/* ---- on the pool ---- */

static void read_do(struct ask *ask)
{
    ask->bytes = malloc(ask->n ? ask->n : 1);
    if (!ask->bytes) {
        ask->rc = kn_fail(&ask->error, KN_ENOMEM, "no memory to read");
        return;
    }
    while (ask->n_got < ask->n && ask->rc == KN_OK) {
        size_t got = 0;
        ask->rc = kn_source_read_at(ask->lane->source, ask->offset + (int64_t)ask->n_got,
                                    ask->bytes + ask->n_got, ask->n - ask->n_got, &got,
                                    &ask->error);
        ask->n_got += got;
        if (got == 0)
            break;
    }
}

static void ask_work(void *context)
{
    struct ask *ask = context;
    struct kn_files *files = ask->desk->config.files;
    switch (ask->type) {
    case KN_FRAME_OPEN_INPUT:
        ask->rc = files->open_input(files, ask->uri, &ask->source, &ask->error);
        break;
    case KN_FRAME_OPEN_OUTPUT:
        ask->rc = files->open_output(files, ask->uri, &ask->sink, &ask->error);
        break;
    case KN_FRAME_READ: read_do(ask); break;
    case KN_FRAME_COMMIT: ask->rc = kn_sink_commit(ask->lane->sink, &ask->error); break;
    default: // DROP
        kn_source_free(&ask->lane->source);
        kn_sink_free(&ask->lane->sink);
        break;
    }
}

/* ---- answers ---- */

static struct lane *lane_new(struct kn_desk *desk)
{
    struct lane *lane = desk->n_lanes < MAX_LANES ? calloc(1, sizeof(*lane)) : NULL;
    if (!lane)
        return NULL;
    lane->handle = ++desk->last_handle;
    lane->next = desk->lanes;
    desk->lanes = lane;
    desk->n_lanes++;
    return lane;
}

// Input or output, opened: a handle for what stays here, a descriptor for what the child may hold.
static kn_code opening_answer(struct kn_desk *desk, struct ask *ask, struct kn_error *err)
{
    kn_auto(kn_close_fd) int fd = -1;
    json_auto_t *answer = json_object();
    if (ask->source)
        (void)json_object_update_new(
            answer, json_pack("{s:I, s:s}", "size", (json_int_t)ask->source->size_bytes,
                              "identity", ask->source->identity));
    if (ask->source && ask->source->fd >= 0) {
        fd = KN_TAKE_FD(ask->source->fd);
    } else {
        struct lane *lane = lane_new(desk);
        if (!lane)
            return kn_fail(err, KN_ELIMIT, "cannot open '%s': too many files are open", ask->uri);
        lane->source = KN_TAKE(ask->source);
        lane->sink = KN_TAKE(ask->sink);
        // The output's file is shared with the child, which writes; we keep it to seal it.
        if (lane->sink)
            fd = fcntl(lane->sink->fd, F_DUPFD_CLOEXEC, 0);
        if (lane->sink && fd < 0)
            return kn_fail_errno(err, errno, "cannot open '%s'", ask->uri);
        (void)json_object_set_new(answer, "handle", json_integer(lane->handle));
    }
    return kn_link_post_json(desk->config.link, KN_FRAME_ANSWER, ask->request, json_incref(answer),
                             KN_TAKE_FD(fd), err);
}

// A link that cannot be written to is one whose child is ending: its end is noticed elsewhere.
static void ask_answer(struct kn_desk *desk, struct ask *ask)
{
    struct kn_link *link = desk->config.link;
    if (desk->is_closed || ask->type == KN_FRAME_DROP)
        return;
    if (ask->rc == KN_OK && ask->type == KN_FRAME_READ)
        (void)kn_link_post(link, KN_FRAME_BYTES, ask->request, ask->bytes, ask->n_got, -1, NULL);
    else if (ask->rc == KN_OK && ask->type == KN_FRAME_COMMIT)
        (void)kn_link_post_json(link, KN_FRAME_ANSWER, ask->request, json_object(), -1, NULL);
    else if (ask->rc == KN_OK)
        ask->rc = opening_answer(desk, ask, &ask->error);
    if (ask->rc)
        (void)kn_link_post_error(link, ask->request, &ask->error, NULL);
}

/* ---- lanes ---- */

static void lane_free(struct kn_desk *desk, struct lane *lane)
{
    struct lane **at = &desk->lanes;
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    desk->n_lanes--;
    kn_source_free(&lane->source);
    kn_sink_free(&lane->sink);
    free(lane);
}

static void ask_done(void *context);

static void lane_next(struct kn_desk *desk, struct lane *lane)
{
    if (lane->is_busy || !lane->first)
        return;
    lane->is_busy = true;
    if (kn_loop_work(desk->config.loop, ask_work, ask_done, lane->first))
        return;
    lane->first->rc = kn_fail(&lane->first->error, KN_ENOMEM, "no memory to answer");
    ask_done(lane->first);
}

static void lane_put(struct kn_desk *desk, struct lane *lane, struct ask *ask)
{
    ask->lane = lane;
    if (lane->last)
        lane->last->next = ask;
    else
        lane->first = ask;
    lane->last = ask;
    desk->n_asks++;
    lane_next(desk, lane);
}

static void lane_pop(struct kn_desk *desk, struct lane *lane)
{
    struct ask *ask = lane->first;
    lane->first = ask->next;
    if (!lane->first)
        lane->last = NULL;
    desk->n_asks--;
    ask_free(ask);
}

static void ask_done(void *context)
{
    struct ask *ask = context;
    struct kn_desk *desk = ask->desk;
    struct lane *lane = ask->lane;
    ask_answer(desk, ask);
    bool is_over = ask->type == KN_FRAME_DROP || (ask->type == KN_FRAME_COMMIT && !ask->rc);
    lane->is_busy = false;
    lane_pop(desk, lane);
    while (desk->is_closed && lane->first)
        lane_pop(desk, lane);
    lane_next(desk, lane);
    if (lane != &desk->opening && !lane->first && (is_over || lane->is_dropped))
        lane_free(desk, lane);
    desk->config.moved(desk->config.context);
}

/* ---- the desk ---- */

kn_code kn_desk_new(struct kn_desk **out, const struct kn_desk_config *config, struct kn_error *err)
{
    struct kn_desk *desk = calloc(1, sizeof(*desk));
    *out = desk;
    if (!desk)
        return kn_fail(err, KN_ENOMEM, "no memory for a desk");
    desk->config = *config;
    return KN_OK;
}

static struct lane *lane_find(struct kn_desk *desk, int64_t handle)
{
    for (struct lane *lane = desk->lanes; lane; lane = lane->next)
        if (lane->handle == handle && !lane->is_dropped)
            return lane;
    return NULL;
}

// What the question says, checked against what its lane is.
static kn_code ask_fill(struct kn_desk *desk, struct ask *ask, const json_t *object,
                        struct lane **out_lane, struct kn_error *err)
{
    int64_t handle = 0, n = 0;
    if (ask->type == KN_FRAME_OPEN_INPUT || ask->type == KN_FRAME_OPEN_OUTPUT) {
        *out_lane = &desk->opening;
        ask->uri = strdup(kn_json_get(object, "uri", ""));
        return ask->uri ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory to open a file");
    }
    if (kn_json_int(object, "handle", "", 1, INT64_MAX, &handle, NULL) ||
        kn_json_int(object, "offset", "", 0, INT64_MAX / 2, &ask->offset, NULL) ||
        kn_json_int(object, "n", "", 0, KN_LINK_BLOCK, &n, NULL))
        return kn_fail_as(err, KN_EINVAL, "BrokenFrame", "a %s with impossible numbers",
                          kn_frame_name(ask->type));
    ask->n = (size_t)n;
    *out_lane = lane_find(desk, handle);
    bool fits = *out_lane && (ask->type != KN_FRAME_READ || (*out_lane)->source) &&
                (ask->type != KN_FRAME_COMMIT || (*out_lane)->sink);
    if (!fits)
        return kn_fail_as(err, KN_EINVAL, "BrokenFrame", "a %s of a handle it does not have",
                          kn_frame_name(ask->type));
    return KN_OK;
}

// Engines over HTTP and engines that are programs come with the features that need them.
static kn_code engine_refuse(struct kn_desk *desk, uint32_t request, const json_t *object)
{
    struct kn_error none = {0};
    (void)kn_fail(&none, KN_EUNSUP, "there is no engine '%s' here",
                  kn_json_get(object, "engine", ""));
    (void)kn_link_post_error(desk->config.link, request, &none, NULL); // a lost child needs none
    return KN_OK;
}

kn_code kn_desk_take(struct kn_desk *desk, const struct kn_frame *frame, struct kn_error *err)
{
    if (desk->is_closed)
        return KN_OK;
    if (desk->n_asks >= MAX_ASKS)
        return kn_fail_as(err, KN_EINVAL, "BrokenFrame", "more than %d questions at once", MAX_ASKS);
    json_auto_t *object = NULL;
    struct lane *lane = NULL;
    kn_code rc = kn_frame_json(frame, &object, err);
    if (rc)
        return rc;
    if (frame->type == KN_FRAME_ENGINE)
        return engine_refuse(desk, frame->request, object);
    struct ask *ask = calloc(1, sizeof(*ask));
    if (!ask)
        return kn_fail(err, KN_ENOMEM, "no memory for a question");
    *ask = (struct ask){.desk = desk, .type = frame->type, .request = frame->request};
    rc = ask_fill(desk, ask, object, &lane, err);
    if (rc) {
        ask_free(ask);
        return rc;
    }
    if (ask->type == KN_FRAME_DROP)
        lane->is_dropped = true; // nothing may follow it
    lane_put(desk, lane, ask);
    return KN_OK;
}

void kn_desk_close(struct kn_desk *desk)
{
    if (desk->is_closed)
        return;
    desk->is_closed = true;
    struct lane *lane = desk->lanes;
    while (lane) {
        struct lane *next = lane->next;
        lane->is_dropped = true;
        if (!lane->is_busy)
            lane_free(desk, lane);
        lane = next;
    }
}

bool kn_desk_is_idle(const struct kn_desk *desk)
{
    return desk->is_closed && !desk->lanes && !desk->opening.first;
}

void kn_desk_free(struct kn_desk **desk)
{
    free(*desk);
    *desk = NULL;
}
