/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a hostile child asks its supervisor. Each line is a question: a letter for its kind (i open
 * input, o open output, r read, c commit, d drop, e engine), then its JSON. "w" lets the pool do one
 * piece of work, "x" closes the desk. Whatever was asked, everything is released in the end.
 */
#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "link/link.h"
#include "supervisor/desk.h"
#include "supervisor/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define MAX_WORK 256

/* ---- the pool, one piece at a time ---- */

static struct {
    kn_loop_fn work, done;
    void *context;
} pool[MAX_WORK];
static size_t n_pool;

bool __wrap_kn_loop_work(struct kn_loop *loop, kn_loop_fn work, kn_loop_fn done, void *context);
bool __wrap_kn_loop_work(struct kn_loop *loop, kn_loop_fn work, kn_loop_fn done, void *context)
{
    (void)loop;
    if (n_pool == MAX_WORK)
        return false;
    pool[n_pool].work = work;
    pool[n_pool].done = done;
    pool[n_pool++].context = context;
    return true;
}

static void pool_turn(void)
{
    if (n_pool == 0)
        return;
    kn_loop_fn work = pool[0].work, done = pool[0].done;
    void *context = pool[0].context;
    memmove(pool, pool + 1, --n_pool * sizeof(pool[0]));
    work(context);
    done(context);
}

/* ---- files ---- */

static int n_open; // sources and sinks with something to release

static kn_code remote_read(struct kn_source *source, int64_t offset, void *out, size_t n,
                           size_t *out_got, struct kn_error *err)
{
    (void)source;
    (void)err;
    assert(n <= KN_LINK_BLOCK && offset >= 0);
    memset(out, 'x', n);
    *out_got = offset > 100000 ? 0 : n / 2 + n % 2;
    return KN_OK;
}

static void source_release(struct kn_source *source)
{
    (void)source;
    n_open--;
}

static kn_code input_open(struct kn_files *files, const char *uri, struct kn_source **out,
                          struct kn_error *err)
{
    (void)files;
    if (uri[0] == '\0')
        return kn_fail_as(err, KN_ENOTFOUND, "NoSuchKey", "there is no '%s'", uri);
    if (uri[0] == 'f')
        return kn_source_take_fd(out, memfd_create("input", MFD_CLOEXEC), uri, err);
    *out = calloc(1, sizeof(**out));
    **out = (struct kn_source){.fd = -1, .size_bytes = 100000, .uri = strdup(uri),
                               .read_at = remote_read, .release = source_release};
    n_open++;
    return KN_OK;
}

static kn_code sink_commit(struct kn_sink *sink, struct kn_error *err)
{
    if (sink->uri[0] == 'b')
        return kn_fail(err, KN_EIO, "the disk is full");
    return KN_OK;
}

static void sink_release(struct kn_sink *sink)
{
    (void)sink;
    n_open--;
}

static kn_code output_open(struct kn_files *files, const char *uri, struct kn_sink **out,
                           struct kn_error *err)
{
    (void)files;
    if (uri[0] == '\0')
        return kn_fail(err, KN_EINVAL, "'%s' is no output", uri);
    *out = calloc(1, sizeof(**out));
    **out = (struct kn_sink){.fd = memfd_create("output", MFD_CLOEXEC), .uri = strdup(uri),
                             .commit = sink_commit, .release = sink_release};
    n_open++;
    return KN_OK;
}

/* ---- questions ---- */

static void moved(void *context)
{
    (void)context;
}

static bool ask(struct kn_desk *desk, char *line)
{
    static const struct {
        char letter;
        enum kn_frame_type type;
    } kinds[] = {{'i', KN_FRAME_OPEN_INPUT}, {'o', KN_FRAME_OPEN_OUTPUT}, {'r', KN_FRAME_READ},
                 {'c', KN_FRAME_COMMIT},     {'d', KN_FRAME_DROP},        {'e', KN_FRAME_ENGINE}};
    for (size_t i = 0; i < KN_COUNT(kinds); i++) {
        if (line[0] != kinds[i].letter)
            continue;
        struct kn_frame frame = {.type = kinds[i].type, .request = 7, .payload = line + 1,
                                 .n = strlen(line + 1)};
        struct kn_error err = {0};
        kn_code rc = frame.n <= kn_frame_limit(frame.type) ? kn_desk_take(desk, &frame, &err)
                                                           : KN_EINVAL;
        return rc == KN_OK; // a child that breaks the rules is not listened to any more
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct kn_error err = {0};
    int fds[2];
    if (kn_link_pair(fds, &err) != KN_OK)
        abort();
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    kn_auto(kn_link_clear) struct kn_link link;
    kn_link_init(&link, fds[0], KN_PEER_CHILD);
    struct kn_files files = {.open_input = input_open, .open_output = output_open};
    struct kn_desk_config config = {.link = &link, .files = &files, .moved = moved};
    struct kn_desk *desk = NULL;
    if (kn_desk_new(&desk, &config, &err) != KN_OK)
        abort();

    char *rest = kn_arena_strndup(&arena, n ? (const char *)bytes : "", n);
    bool is_fine = true;
    for (char *line; is_fine && (line = strsep(&rest, "\n"));) {
        if (line[0] == 'w')
            pool_turn();
        else if (line[0] == 'x')
            kn_desk_close(desk);
        else
            is_fine = ask(desk, line);
    }
    kn_desk_close(desk);
    while (n_pool > 0)
        pool_turn();
    assert(kn_desk_is_idle(desk));
    assert(n_open == 0);
    kn_desk_free(&desk);
    (void)close(fds[1]);
    return 0;
}
