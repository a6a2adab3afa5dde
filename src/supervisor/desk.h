#pragma once
/*
 * The desk: answers what a child asks (link/frame.h): inputs, ranged reads, outputs.
 *
 * Each open handle has a lane of its own, so that reads of one input wait for nothing else; openings
 * share one. Work is done on the pool, one piece per lane at a time, in order. All functions belong to
 * the loop's thread.
 */
#include <stdbool.h>

#include "base/error.h"
#include "link/link.h"
#include "supervisor/files.h"
#include "supervisor/loop.h"

struct kn_desk;

struct kn_desk_config {
    struct kn_loop *loop;   // borrowed
    struct kn_link *link;   // borrowed; answers go there until kn_desk_close()
    struct kn_files *files; // borrowed
    // After an answer was sent or queued, and after the last piece of work ended.
    void (*moved)(void *context);
    void *context;
};
kn_code kn_desk_new(struct kn_desk **out, const struct kn_desk_config *config, struct kn_error *err);

/*
 * Take a question. KN_EINVAL, reason "BrokenFrame": the child asks what it may not (an unknown
 * handle, more at once than any honest child).
 */
kn_code kn_desk_take(struct kn_desk *desk, const struct kn_frame *frame, struct kn_error *err);

/* Answer nothing any more, drop what waits, release all handles as they become idle. */
void kn_desk_close(struct kn_desk *desk);
/* Closed, and nothing under way: it may be freed, and so may its files. */
bool kn_desk_is_idle(const struct kn_desk *desk);
void kn_desk_free(struct kn_desk **desk);
