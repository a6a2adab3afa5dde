#pragma once
/*
 * Configuration of `kinora serve` and `kinora worker`: a flag beats the environment beats
 * kinora.yaml beats the default (design, section 1).
 *
 * One table names every setting; flags are its names with '-', environment variables KINORA_<NAME>
 * with '_', YAML keys with '_'. Settings that may repeat are lists: a flag may be given several
 * times, the environment separates by ',', YAML holds a sequence (or one text).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/error.h"
#include "objects/store.h"

struct kn_config {
    struct kn_arena arena; // owns every text below
    const char *data;            // folder
    const char *const *listen;   // NULL-terminated [SCHEME://]HOST:PORT
    const char *const *oss_listen;
    const char *const *mns_listen;
    const char *database;        // sqlite:… or postgresql://…
    const char *storage;         // file:… or s3://…
    const char *storage_endpoint, *storage_region; // of s3://; NULL: AWS, us-east-1
    const char *storage_key_id, *storage_key_secret, *storage_key_token; // NULL when not given
    int n_workers;
    const char *public_api, *public_oss, *public_mns; // NULL: the listeners
    const char *imm_message; // "envelope" or "content"
    const char *region;
    const char *account_id;
    const char *const *allow_url_hosts;
    const char *tls;             // "auto", or NULL
    const char *tls_cert, *tls_key;
    const char *worker_program;  // NULL: beside this program, then KN_LIBEXEC
    int64_t max_queued_jobs;
    int64_t keep_jobs_days, keep_tasks_days, keep_events_days, cache_limit_mb;
    int64_t job_memory_mb, job_stall_seconds, job_limit_seconds, drain_seconds;
};

/*
 * Read the configuration for argv (argv[0] is the command's name). --config FILE names the YAML
 * file; without it ./kinora.yaml is read when it is there.
 *
 * KN_EINVAL with a sentence that names the setting and where it was given. *out_help is set when
 * --help was among the flags; then nothing else was read.
 */
kn_code kn_config_load(struct kn_config *config, int argc, const char *const *argv, bool *out_help,
                       struct kn_error *err);
void kn_config_clear(struct kn_config *config);

/* Where objects lie, for kn_store_open(); what else it needs the caller adds. Texts are borrowed. */
struct kn_store_config kn_config_store(const struct kn_config *config);

/* A line per setting, for --help: flag, default, meaning. */
void kn_config_help(FILE *out);
