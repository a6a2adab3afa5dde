#pragma once
/*
 * One job without a server: for the command line and the tests. The same nursery, child and limits as
 * in a service; inputs and outputs are paths, and there is no database.
 */
#include <stdbool.h>

#include <jansson.h>

#include "base/error.h"
#include "supervisor/keeper.h"
#include "supervisor/path_files.h"
#include "supervisor/run.h"

struct kn_local_config {
    const char *program;           // path of kinora-worker
    kn_keeper_child child;         // instead of a program's nursery: see kn_keeper_new_own(); may be NULL
    int n_threads;                 // 0: as many as this machine has cores
    struct kn_run_limits limits;
    struct kn_http_client *client; // for http(s):// inputs; borrowed, NULL: they are refused
    kn_url_open open_url;          // reads them with `client`; set when that is
    const char *const *read_only;  // more folders the run may read, NULL-terminated; may be NULL
    // SIGINT, SIGTERM and SIGHUP end the run cleanly while it lasts, instead of this process.
    bool catches_signals;
    bool keeps_existing;           // outputs whose name is taken are refused: KN_ECONFLICT
    bool prints;                   // an output named "-" is standard output
    // A job of moments on local files that keeps nothing: no scratch folder is made for it, and its questions (open
    // this, name that) are answered without a pool of threads.
    bool is_brief;
    // Called on the caller's thread. `detail` is JSON text or NULL. May be NULL.
    void (*progressed)(void *context, double fraction, const char *detail);
    void *context;
};

/*
 * Run a job of `kind` and wait. Outputs appear under their names only when it succeeds; in every other
 * case nothing is left behind.
 *
 *   out_result  a new reference, or NULL; may be set on failure too.
 *
 * KN_ECANCELED  stopped by a signal
 */
kn_code kn_local_run(const struct kn_local_config *config, const char *kind, const json_t *spec,
                     json_t **out_result, struct kn_error *err);
