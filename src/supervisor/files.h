#pragma once
/*
 * Where a run's inputs come from and where its outputs go: the store (supervisor/store_files.h) or
 * paths (supervisor/path_files.h).
 *
 * Thread-safety: called on pool threads, the two openings by one thread at a time; sources and sinks
 * that came from here by one thread each, several of them at once.
 */
#include "base/error.h"
#include "base/io.h"

struct kn_files {
    /* A source with a descriptor is handed to the child; one without is read for it. */
    kn_code (*open_input)(struct kn_files *files, const char *uri, struct kn_source **out,
                          struct kn_error *err);
    /* Stage an output. What was committed is remembered by the files until the run has ended. */
    kn_code (*open_output)(struct kn_files *files, const char *uri, struct kn_sink **out,
                           struct kn_error *err);
};
