/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A supervisor for one job: the loop runs on the caller's thread until the job has ended. */
#include "supervisor/local.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/json.h"

#define N_POOL 3 // an upload or a slow disk must not hold up the answers to the rest

struct local {
    const struct kn_local_config *config; // borrowed
    struct kn_loop *loop;
    struct kn_keeper *keeper;
    struct kn_path_files *files;
    struct kn_run *run;
    char folder[64], scratch[72], keep[72]; // folder is "" when not made; it holds the others
    int signal_fd;
    sigset_t old_mask;
    struct kn_loop_watch *signals;
    kn_code rc;
    struct kn_error error;
    json_t *result; // owned
};

static void run_progressed(void *context, double fraction, const char *detail)
{
    const struct local *local = context;
    if (local->config->progressed)
        local->config->progressed(local->config->context, fraction, detail);
}

static void run_ended(void *context, const struct kn_run_end *end)
{
    struct local *local = context;
    local->error = end->error;
    local->rc = end->error.code;
    local->result = json_incref(end->result);
    kn_loop_stop(local->loop);
}

// Its child is being killed: while the kernel takes its memory back, the disk can work.
static void run_resulted(void *context)
{
    const struct local *local = context;
    kn_path_files_flush(local->files);
}

/* ---- signals ---- */

static void signal_arrived(void *context, bool is_readable, bool is_writable)
{
    struct local *local = context;
    (void)is_readable, (void)is_writable;
    struct signalfd_siginfo info;
    if (read(local->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    struct kn_error why = {0};
    (void)kn_fail(&why, KN_ECANCELED, "stopped by signal %d (SIG%s)", (int)info.ssi_signo,
                  sigabbrev_np((int)info.ssi_signo));
    kn_run_stop(local->run, &why);
}

// Before the first thread, so that every thread has them blocked.
static kn_code signals_catch(struct local *local, struct kn_error *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, &local->old_mask);
    local->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (local->signal_fd < 0)
        return kn_fail_errno(err, errno, "cannot wait for signals");
    return KN_OK;
}

static void signals_release(struct local *local)
{
    if (local->signal_fd < 0)
        return;
    // A signal that arrived while we were cleaning up has done its work.
    struct signalfd_siginfo info;
    while (read(local->signal_fd, &info, sizeof(info)) == sizeof(info))
        ;
    kn_close_fd(&local->signal_fd);
    (void)pthread_sigmask(SIG_SETMASK, &local->old_mask, NULL);
}

/* ---- the run ---- */

static kn_code folders_make(struct local *local, struct kn_error *err)
{
    const char *root = getenv("TMPDIR");
    if (!root || strlen(root) > sizeof(local->folder) - 20)
        root = "/tmp";
    (void)snprintf(local->folder, sizeof(local->folder), "%s/kinora.XXXXXX", root);
    if (!mkdtemp(local->folder)) {
        local->folder[0] = '\0';
        return kn_fail_errno(err, errno, "cannot make a scratch folder in '%s'", root);
    }
    (void)snprintf(local->scratch, sizeof(local->scratch), "%s/work", local->folder);
    (void)snprintf(local->keep, sizeof(local->keep), "%s/keep", local->folder);
    kn_code rc = kn_fs_make_folders(local->scratch, 0700, err);
    return rc ? rc : kn_fs_make_folders(local->keep, 0700, err);
}

static kn_code local_start(struct local *local, const char *kind, const json_t *spec,
                           struct kn_error *err)
{
    kn_code rc = local->config->catches_signals ? signals_catch(local, err) : KN_OK;
    if (rc == KN_OK)
        rc = kn_loop_new(&local->loop, local->config->is_brief ? 0 : N_POOL, err);
    if (rc == KN_OK)
        rc = local->config->child
                 ? kn_keeper_new_own(&local->keeper, local->loop, local->config->child, err)
                 : kn_keeper_new(&local->keeper, local->loop, local->config->program, err);
    if (rc == KN_OK)
        rc = kn_path_files_new(&local->files, local->config->client, local->config->open_url, err);
    if (rc == KN_OK && local->config->keeps_existing)
        kn_path_files_keep_existing(local->files);
    if (rc == KN_OK && local->config->prints)
        kn_path_files_print(local->files);
    if (rc == KN_OK && !local->config->is_brief)
        rc = folders_make(local, err);
    if (rc)
        return rc;
    kn_auto(kn_free) char *text = kn_json_text(spec);
    if (!text)
        return kn_fail(err, KN_ENOMEM, "no memory for a job");
    char id[KN_ID_SIZE];
    kn_id_hex(id);
    const long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    const struct kn_run_config run = {
        .loop = local->loop,
        .keeper = local->keeper,
        .files = kn_path_files_face(local->files),
        .job_id = id,
        .kind = kind,
        .spec = text,
        .scratch_folder = local->folder[0] ? local->scratch : NULL,
        .keep_folder = local->folder[0] ? local->keep : NULL,
        .read_only = local->config->read_only,
        .n_threads = local->config->n_threads ? local->config->n_threads : (int)n_cores,
        .limits = local->config->limits,
        .progressed = run_progressed,
        .ended = run_ended,
        .resulted = local->config->is_brief ? run_resulted : NULL,
        .context = local,
    };
    rc = kn_run_start(&local->run, &run, err);
    if (rc || local->signal_fd < 0)
        return rc;
    local->signals = kn_loop_watch(local->loop, local->signal_fd, signal_arrived, local);
    return KN_OK; // without memory for the watch, Ctrl-C waits until the end
}

kn_code kn_local_run(const struct kn_local_config *config, const char *kind, const json_t *spec,
                     json_t **out_result, struct kn_error *err)
{
    struct local local = {.config = config, .signal_fd = -1};
    *out_result = NULL;
    kn_code rc = local_start(&local, kind, spec, err);
    if (rc == KN_OK) {
        kn_loop_run(local.loop);
        rc = local.rc;
        if (rc && err)
            *err = local.error;
        kn_keeper_dismiss(local.keeper);
        if (rc == KN_OK)
            rc = kn_path_files_publish(local.files, err);
        *out_result = KN_TAKE(local.result);
    }
    if (local.loop)
        kn_loop_unwatch(local.loop, &local.signals);
    kn_run_free(&local.run);
    kn_keeper_free(&local.keeper);
    kn_loop_free(&local.loop);
    kn_path_files_free(&local.files);
    if (local.folder[0])
        (void)kn_fs_remove_tree(local.folder, NULL); // best effort: it is in a temporary folder
    signals_release(&local);
    return rc;
}
