/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of a run. Three things must have come to rest before it ends, in any order: the process
 * (its exit told by the nursery), the link (read to its end, for the result is in it), the desk.
 */
#include "supervisor/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time.h"
#include "link/link.h"
#include "supervisor/desk.h"

#define TICK_US (KN_SECOND / 4)
#define GRACE_US (2 * KN_SECOND)
// Log lines a second from one child; what is beyond is counted.
#define MAX_LINES 50

struct kn_run {
    struct kn_run_config config; // the texts of it that are kept: job_id, kind
    char job_id[40], kind[24];
    struct kn_log log;
    struct kn_link link;
    struct kn_loop_watch *watch; // NULL once the link has been read to its end
    struct kn_kept kept;
    struct kn_desk *desk; // owned
    struct kn_loop_timer timer;
    int64_t started_us, moved_us, stop_us; // monotonic; stop_us 0: nobody asked it to stop
    bool was_killed;                       // by us
    double fraction;                       // as last reported
    int64_t line_second;                   // for the limit on log lines
    int n_lines, n_dropped_lines;
    // --- the end
    bool has_exited, has_ended;
    struct kn_exit exit;
    struct kn_error why; // code set: why it was stopped, or why it could not be forked
    json_t *result;      // owned: the RESULT frame
};

/* ---- the end ---- */

static const char *json_text_or(const json_t *object, const char *name)
{
    return kn_json_get(object, name, "");
}

static void end_of_signal(struct kn_run_end *end, int signal_number)
{
    end->is_process_lost = signal_number == SIGKILL || signal_number == SIGTERM;
    if (signal_number == SIGXCPU)
        (void)kn_fail_as(&end->error, KN_EUNSUP, "CpuLimit", "the job used up its processor time");
    else if (end->is_process_lost)
        (void)kn_fail_as(&end->error, KN_ELIMIT, "Killed",
                         "the job's process was killed from outside (signal %d): the machine may "
                         "have run out of memory",
                         signal_number);
    else
        (void)kn_fail_as(&end->error, KN_EBUG, "Crash",
                         "the job's process crashed: signal %d (SIG%s)", signal_number,
                         sigabbrev_np(signal_number));
}

// What became of it, from the strongest evidence to the weakest.
static void end_judge(const struct kn_run *run, struct kn_run_end *end)
{
    const json_t *result = run->result;
    kn_code code = result ? kn_code_from_name(json_text_or(result, "code")) : KN_EBUG;
    int status = run->exit.status;
    *end = (struct kn_run_end){
        .result = json_object_get(result, "result"),
        .cpu_us = run->exit.cpu_us,
        .peak_bytes = run->exit.peak_bytes,
    };
    if (json_is_null(end->result))
        end->result = NULL;
    if (result && code == KN_OK && !run->was_killed)
        return;
    if (run->why.code)
        end->error = run->why;
    else if (result && code != KN_OK)
        (void)kn_frame_error(result, &end->error);
    else if (run->exit.is_lost)
        (void)kn_fail_as(&end->error, KN_EIO, "NurseryLost",
                         "the worker's nursery died, and the job with it");
    else if (WIFSIGNALED(status))
        end_of_signal(end, WTERMSIG(status));
    else
        (void)kn_fail(&end->error, KN_EBUG, "the job's process ended without a result (status %d)",
                      WEXITSTATUS(status));
    end->is_process_lost = end->is_process_lost || (run->exit.is_lost && !run->why.code);
}

static void run_maybe_end(struct kn_run *run)
{
    if (run->has_ended || !run->has_exited || run->watch || !kn_desk_is_idle(run->desk))
        return;
    run->has_ended = true;
    kn_loop_timer_unset(run->config.loop, &run->timer);
    struct kn_run_end end;
    end_judge(run, &end);
    if (run->n_dropped_lines)
        KN_WARN(&run->log, "%d log lines of the job were dropped", run->n_dropped_lines);
    run->config.ended(run->config.context, &end); // may free the run
}

/* ---- stopping ---- */

void kn_run_stop(struct kn_run *run, const struct kn_error *why)
{
    if (run->stop_us)
        return;
    run->stop_us = kn_mono_us();
    if (!run->why.code)
        run->why = *why;
    kn_kept_signal(&run->kept, SIGTERM);
}

static void run_kill(struct kn_run *run, kn_code code, const char *reason, const char *message)
{
    if (!run->why.code)
        (void)kn_fail_as(&run->why, code, reason, "%s", message);
    run->was_killed = true;
    if (!run->stop_us)
        run->stop_us = kn_mono_us();
    kn_kept_signal(&run->kept, SIGKILL);
}

/* ---- the watch ---- */

static int64_t resident_bytes(int pid)
{
    char path[48], text[128] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    kn_auto(kn_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return 0; // it has just ended
    int64_t pages = 0;
    if (sscanf(text, "%*d %" SCNd64, &pages) != 1)
        return 0;
    return pages * sysconf(_SC_PAGESIZE);
}

static void run_tick(void *context)
{
    struct kn_run *run = context;
    const struct kn_run_limits *limits = &run->config.limits;
    int64_t now = kn_mono_us(), grace = limits->grace_us ? limits->grace_us : GRACE_US;
    char message[160];
    kn_loop_timer_set(run->config.loop, &run->timer, TICK_US, run_tick, run);
    if (run->has_exited)
        return;
    if (run->result) { // before the fork was told, the child could not be ended
        kn_kept_signal(&run->kept, SIGKILL);
        return;
    }
    if (run->stop_us) {
        // A stop that came before the fork could not be signalled then; saying it twice is harmless.
        kn_kept_signal(&run->kept, now - run->stop_us > grace ? SIGKILL : SIGTERM);
        run->was_killed = run->was_killed || now - run->stop_us > grace;
        return;
    }
    if (limits->memory_bytes && run->kept.pid &&
        resident_bytes(run->kept.pid) > limits->memory_bytes) {
        (void)snprintf(message, sizeof(message),
                       "the job needs more memory than its limit of %" PRId64 " MiB",
                       limits->memory_bytes >> 20);
        run_kill(run, KN_EUNSUP, "MemoryLimit", message);
    } else if (limits->wall_us && now - run->started_us > limits->wall_us) {
        (void)snprintf(message, sizeof(message), "the job took longer than its limit of %" PRId64 " s",
                       limits->wall_us / KN_SECOND);
        run_kill(run, KN_EUNSUP, "TimeLimit", message);
    } else if (limits->stall_us && now - run->moved_us > limits->stall_us) {
        (void)snprintf(message, sizeof(message),
                       "the job showed no progress for %" PRId64 " s and was stopped",
                       limits->stall_us / KN_SECOND);
        run_kill(run, KN_EMEDIA, "Stalled", message);
    }
}

/* ---- frames ---- */

static void on_progress(struct kn_run *run, const json_t *object)
{
    double fraction = json_number_value(json_object_get(object, "fraction"));
    const json_t *detail = json_object_get(object, "detail");
    if (!(fraction >= 0))
        fraction = 0;
    if (fraction > 1)
        fraction = 1;
    // Saying the same again is no progress: a decoder may loop and still report.
    if (fraction > run->fraction)
        run->moved_us = kn_mono_us();
    run->fraction = fraction;
    kn_auto(kn_free) char *text = detail && !json_is_null(detail) ? kn_json_text(detail) : NULL;
    if (run->config.progressed)
        run->config.progressed(run->config.context, fraction, text);
}

static void on_log(struct kn_run *run, const json_t *object)
{
    int64_t second = kn_mono_us() / KN_SECOND;
    if (second != run->line_second)
        run->n_lines = 0;
    run->line_second = second;
    if (++run->n_lines > MAX_LINES) {
        run->n_dropped_lines++;
        return;
    }
    json_int_t level = json_integer_value(json_object_get(object, "level"));
    if (level < KN_LOG_DEBUG || level > KN_LOG_ERROR)
        level = KN_LOG_INFO;
    KN_LOG_AT(&run->log, (enum kn_log_level)level, "%s%s%s", json_text_or(object, "message"),
              *json_text_or(object, "context") ? " ·" : "", json_text_or(object, "context"));
}

// All it had to do is done and told: freeing its memory bit by bit would be of no use to anyone.
static void on_result(struct kn_run *run, json_t *object)
{
    run->result = json_incref(object);
    kn_kept_signal(&run->kept, SIGKILL);
    if (run->config.resulted)
        run->config.resulted(run->config.context);
}

static kn_code on_frame(struct kn_run *run, const struct kn_frame *frame, struct kn_error *err)
{
    if (frame->type != KN_FRAME_PROGRESS && frame->type != KN_FRAME_LOG &&
        frame->type != KN_FRAME_RESULT) {
        run->moved_us = kn_mono_us(); // whoever opens and reads is alive
        return kn_desk_take(run->desk, frame, err);
    }
    json_auto_t *object = NULL;
    kn_code rc = kn_frame_json(frame, &object, err);
    if (rc)
        return rc;
    if (run->result)
        return kn_fail_as(err, KN_EINVAL, "BrokenFrame", "a %s after the result",
                          kn_frame_name(frame->type));
    if (frame->type == KN_FRAME_PROGRESS)
        on_progress(run, object);
    else if (frame->type == KN_FRAME_LOG)
        on_log(run, object);
    else
        on_result(run, object);
    return KN_OK;
}

static void link_close(struct kn_run *run)
{
    kn_loop_unwatch(run->config.loop, &run->watch);
    kn_desk_close(run->desk);
    kn_link_clear(&run->link);
}

static void link_ready(void *context, bool is_readable, bool is_writable)
{
    struct kn_run *run = context;
    struct kn_error error = {0};
    bool is_open = true, has = true;
    kn_code rc = KN_OK;
    if (is_writable)
        (void)kn_link_flush(&run->link, NULL); // a peer that is gone shows when we read
    if (is_readable)
        rc = kn_link_pump(&run->link, &is_open, &error);
    while (rc == KN_OK && is_open && has) {
        struct kn_frame frame;
        int fd = -1; // children cannot send any
        rc = kn_link_next(&run->link, &frame, &fd, &has, &error);
        if (rc == KN_OK && has)
            rc = on_frame(run, &frame, &error);
    }
    if (rc) {
        (void)kn_error_prefix(&error, "the job's process broke the protocol");
        json_decref(KN_TAKE(run->result));
        run_kill(run, KN_EBUG, error.reason, error.message);
    }
    if (rc || !is_open)
        link_close(run);
    else
        kn_loop_watch_writes(run->config.loop, run->watch, kn_link_has_output(&run->link));
    run_maybe_end(run);
}

static void desk_moved(void *context)
{
    struct kn_run *run = context;
    run->moved_us = kn_mono_us(); // a long upload is no stall of the child's
    if (run->watch)
        kn_loop_watch_writes(run->config.loop, run->watch, kn_link_has_output(&run->link));
    run_maybe_end(run);
}

static void child_ended(void *context, const struct kn_exit *exit, const struct kn_error *why_not)
{
    struct kn_run *run = context;
    run->has_exited = true;
    if (exit)
        run->exit = *exit;
    if (why_not && !run->why.code)
        run->why = *why_not;
    if (run->watch && why_not)
        link_close(run); // nobody has the other end
    run_maybe_end(run);  // otherwise the link is read to its end first
}

/* ---- the beginning ---- */

static kn_code job_send(struct kn_run *run, struct kn_error *err)
{
    const struct kn_run_config *c = &run->config;
    json_auto_t *head = json_pack(
        "{s:s, s:s, s:s?, s:s?, s:i, s:{s:I, s:I, s:I}}", "job", c->job_id, "kind", c->kind,
        "scratch", c->scratch_folder, "keep", c->keep_folder, "threads", c->n_threads, "limits",
        "memory", (json_int_t)c->limits.memory_bytes, "file", (json_int_t)c->limits.file_bytes,
        "cpu_us", (json_int_t)c->limits.cpu_us);
    json_t *folders = json_array();
    for (const char *const *at = c->read_only; at && *at; at++)
        (void)json_array_append_new(folders, json_string(*at));
    if (json_object_set_new(head, "read_only", folders) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory to send a job");
    kn_auto(kn_free) char *text = kn_json_text(head);
    kn_auto(kn_buf_clear) struct kn_buf frame = {0};
    // The spec is JSON text already, and may be megabytes: it is put in without being parsed.
    if (text)
        kn_buf_add(&frame, text, strlen(text) - 1);
    kn_buf_puts(&frame, ",\"spec\":");
    kn_buf_puts(&frame, c->spec);
    kn_buf_putc(&frame, '}');
    if (!text || !kn_buf_ok(&frame))
        return kn_fail(err, KN_ENOMEM, "no memory to send a job");
    return kn_link_post(&run->link, KN_FRAME_JOB, 0, frame.data, frame.len, -1, err);
}

// Give the child its job. Without one it ends, and the run with it.
static void run_connect(struct kn_run *run, int link_fd)
{
    struct kn_error error = {0};
    kn_link_init(&run->link, link_fd, KN_PEER_CHILD);
    run->watch = kn_loop_watch(run->config.loop, run->link.fd, link_ready, run);
    kn_code rc = run->watch ? job_send(run, &error) // waits in the socket while the nursery forks
                            : kn_fail(&error, KN_ENOMEM, "no memory to watch a job");
    // Of a child that ended before its job came, its exit says more than our broken pipe.
    if (rc && strcmp(error.reason, "LinkClosed") != 0)
        run->why = error;
    if (rc)
        link_close(run);
    else
        kn_loop_watch_writes(run->config.loop, run->watch, kn_link_has_output(&run->link));
}

static kn_code run_begin(struct kn_run *run, struct kn_error *err)
{
    const struct kn_desk_config desk = {
        .loop = run->config.loop,
        .link = &run->link,
        .files = run->config.files,
        .moved = desk_moved,
        .context = run,
    };
    int link_fd = -1;
    kn_code rc = kn_desk_new(&run->desk, &desk, err);
    run->kept.ended = child_ended;
    run->kept.context = run;
    if (rc == KN_OK)
        rc = kn_keeper_fork(run->config.keeper, &run->kept, &link_fd, err);
    if (rc)
        return rc;
    kn_loop_timer_set(run->config.loop, &run->timer, TICK_US, run_tick, run);
    run_connect(run, link_fd);
    return KN_OK;
}

kn_code kn_run_start(struct kn_run **out, const struct kn_run_config *config, struct kn_error *err)
{
    *out = NULL;
    struct kn_run *run = calloc(1, sizeof(*run));
    if (!run)
        return kn_fail(err, KN_ENOMEM, "no memory for a run");
    run->config = *config;
    run->link.fd = -1;
    run->kept.pidfd = -1;
    run->started_us = run->moved_us = kn_mono_us();
    (void)kn_copy(run->job_id, sizeof(run->job_id), config->job_id);
    (void)kn_copy(run->kind, sizeof(run->kind), config->kind);
    run->log = kn_log_with(NULL, "job", run->job_id);
    kn_code rc = run_begin(run, err);
    run->config.job_id = run->job_id;
    run->config.kind = run->kind;
    run->config.spec = run->config.scratch_folder = run->config.keep_folder = NULL;
    run->config.read_only = NULL;
    if (rc)
        kn_run_free(&run);
    *out = run;
    return rc;
}

void kn_run_free(struct kn_run **run)
{
    struct kn_run *r = *run;
    if (!r)
        return;
    kn_loop_timer_unset(r->config.loop, &r->timer);
    kn_loop_unwatch(r->config.loop, &r->watch);
    kn_link_clear(&r->link);
    kn_desk_free(&r->desk);
    json_decref(r->result);
    free(r);
    *run = NULL;
}
