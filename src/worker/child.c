/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of a child, in the order that decisions 2 fixes: drop what was inherited, receive the job,
 * open engines, lock down, and only then run. It leaves by _exit(): memory goes back as a whole, and
 * nothing of the nursery's is flushed or freed twice.
 */
#include "worker/child.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "worker/job_context.h"
#include "worker/lockdown.h"

#define LINK_FD 3 // after the three that every process has
#define MAX_FOLDERS 16
// What a tiny job takes from the heap beyond what the nursery has freed there.
#define ROOM_BYTES (512 << 10)

static atomic_bool is_cancel_asked; // set by the SIGTERM handler; lock-free
static struct kn_uplink uplink;     // one job per process, and log lines need it from any thread

struct job {
    json_t *frame; // owned; what follows borrows from it
    const char *id, *kind;
    json_t *spec;
    const char *scratch_folder, *keep_folder;
    const char *read_only[MAX_FOLDERS + 1];
    const char *read_write[3];
    int64_t n_threads, memory_bytes, file_bytes, cpu_us;
};

/* ---- before the job ---- */

static void on_term(int signal_number)
{
    (void)signal_number;
    atomic_store_explicit(&is_cancel_asked, true, memory_order_relaxed);
}

static void signals_set(void)
{
    struct sigaction term = {.sa_handler = on_term}, ignore = {.sa_handler = SIG_IGN};
    term.sa_flags = SA_RESTART;
    (void)sigaction(SIGTERM, &term, NULL);
    (void)sigaction(SIGINT, &ignore, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL); // EFBIG is an error value; a signal would be a crash
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

// Keep standard streams and the link, nothing else the nursery had open. What libraries print would
// let a hostile file write the operator's log; KINORA_CHILD_STDERR is for those who debug them.
static void descriptors_keep(int link_fd)
{
    if (!getenv("KINORA_CHILD_STDERR"))
        (void)dup2(STDIN_FILENO, STDERR_FILENO); // standard input is /dev/null, open for both ways
    if (link_fd != LINK_FD && dup3(link_fd, LINK_FD, O_CLOEXEC) < 0)
        _exit(70);
    (void)syscall(SYS_close_range, LINK_FD + 1, ~0U, 0); // a kernel without it: O_CLOEXEC is no help
                                                         // to a fork, but seccomp guards the rest
}

// Have the kernel find the heap's pages now, in one call: one by one, as they are touched, they are a
// fifth of a tiny job. An older kernel cannot; then they come one by one.
static void heap_prepare(void)
{
    free(malloc(ROOM_BYTES)); // grows the heap, which keeps what is freed
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)sbrk(0);
    const uintptr_t from = (end - mallinfo2().arena + page - 1) & ~(page - 1);
    if (from < end)
        (void)madvise((void *)from, end - from, MADV_POPULATE_WRITE);
}

static void log_over_link(enum kn_log_level level, const char *context, const char *message)
{
    (void)kn_uplink_tell(&uplink, KN_FRAME_LOG,
                         json_pack("{s:i, s:s, s:s}", "level", (int)level, "context", context,
                                   "message", message),
                         NULL); // a line that cannot be told has nowhere to go
}

/* ---- the job ---- */

static kn_code job_read(struct job *job, const struct kn_frame *frame, struct kn_error *err)
{
    kn_code rc = kn_frame_json(frame, &job->frame, err);
    if (rc)
        return rc;
    const json_t *limits = json_object_get(job->frame, "limits");
    job->id = kn_json_get(job->frame, "job", "");
    job->kind = kn_json_get(job->frame, "kind", "");
    job->spec = json_object_get(job->frame, "spec");
    job->scratch_folder = kn_json_get(job->frame, "scratch", NULL);
    job->keep_folder = kn_json_get(job->frame, "keep", NULL);
    job->n_threads = 1;
    if (kn_json_int(job->frame, "threads", "", 1, 1024, &job->n_threads, err) ||
        kn_json_int(limits, "memory", "", 0, INT64_MAX, &job->memory_bytes, err) ||
        kn_json_int(limits, "file", "", 0, INT64_MAX, &job->file_bytes, err) ||
        kn_json_int(limits, "cpu_us", "", 0, INT64_MAX, &job->cpu_us, err))
        return KN_EBUG;

    size_t n = 0, at;
    const json_t *folder;
    json_array_foreach(json_object_get(job->frame, "read_only"), at, folder)
        if (n < MAX_FOLDERS && json_is_string(folder))
            job->read_only[n++] = json_string_value(folder);
    n = 0;
    if (job->scratch_folder)
        job->read_write[n++] = job->scratch_folder;
    if (job->keep_folder)
        job->read_write[n++] = job->keep_folder;
    if (!json_is_object(job->spec))
        return kn_fail(err, KN_EBUG, "the job came without a spec");
    return KN_OK;
}

static const struct kn_worker_feature *feature_of(const struct kn_worker_feature *features,
                                                  const char *kind)
{
    for (; features->kind; features++)
        if (strcmp(features->kind, kind) == 0)
            return features;
    return NULL;
}

static kn_code job_run(const struct job *job, const struct kn_worker_feature *features,
                       json_t **out_result, struct kn_error *err)
{
    const struct kn_worker_feature *feature = feature_of(features, job->kind);
    if (!feature)
        return kn_fail(err, KN_EUNSUP, "this worker cannot run jobs of kind '%s'", job->kind);
    kn_code rc = feature->open ? feature->open(job->spec, err) : KN_OK;
    if (rc)
        return rc;
    int landlock_abi = 0;
    const struct kn_lockdown lockdown = {
        .read_only = job->read_only,
        .read_write = job->read_write,
        .memory_bytes = job->memory_bytes,
        .file_bytes = job->file_bytes,
        .cpu_us = job->cpu_us,
    };
    rc = kn_lockdown_apply(&lockdown, &landlock_abi, err);
    if (rc)
        return rc;

    struct kn_job_context context;
    kn_job_context_init(&context, &uplink, &is_cancel_asked);
    context.base.scratch_folder = job->scratch_folder;
    context.base.keep_folder = job->keep_folder;
    context.base.n_threads = (int)job->n_threads;
    KN_DEBUG(&context.base.log, "locked down, landlock version %d", landlock_abi);
    return feature->run(&context.base, job->spec, out_result, err);
}

static kn_code result_send(kn_code rc, const struct kn_error *error, json_t *result)
{
    json_t *frame = json_pack("{s:s, s:s, s:s, s:o?}", "code", kn_code_name(rc), "reason",
                              rc ? error->reason : "", "message", rc ? error->message : "",
                              "result", result);
    if (!frame) // the message is no UTF-8: it quotes a broken file
        frame = json_pack("{s:s, s:s}", "code", kn_code_name(rc), "message",
                          "failed with a message that cannot be shown");
    return kn_uplink_tell(&uplink, KN_FRAME_RESULT, frame, NULL);
}

noreturn void kn_child_main(int link_fd, int nursery_pid, bool is_ahead,
                            const struct kn_worker_feature *features)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != nursery_pid)
        _exit(70); // it died before we asked to die with it
    signals_set();
    descriptors_keep(link_fd);
    if (is_ahead) {
        (void)prctl(PR_SET_NAME, "kinora-spare");
        kn_lockdown_begin();
        heap_prepare();
    }
    kn_uplink_init(&uplink, LINK_FD);
    kn_log_set_writer(log_over_link);

    struct job job = {0};
    struct kn_error error = {0};
    struct kn_frame frame;
    json_t *result = NULL;
    int fd;
    kn_code rc = kn_link_receive(&uplink.link, &frame, &fd, &error);
    (void)prctl(PR_SET_NAME, "kinora-job");
    if (rc == KN_OK && frame.type != KN_FRAME_JOB)
        rc = kn_fail(&error, KN_EBUG, "a %s came before the job", kn_frame_name(frame.type));
    if (rc == KN_OK)
        rc = job_read(&job, &frame, &error);
    if (rc == KN_OK)
        rc = job_run(&job, features, &result, &error);
    _exit(result_send(rc, &error, result) == KN_OK ? 0 : 70);
}
