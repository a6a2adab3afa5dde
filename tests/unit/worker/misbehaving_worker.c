/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A kinora-worker whose features behave, misbehave and attack: the subject of the supervisor's tests.
 * "attack" tries one forbidden thing and answers in its result whether it was let through.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/time.h"
#include "link/frame.h"
#include "worker/nursery.h"

/* ---- features that behave ---- */

// {"Input", "Output", "SleepUs" before the end, "Keep": text to leave in the keep folder}
static kn_code copy_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                        struct kn_error *err)
{
    kn_auto(kn_source_free) struct kn_source *in = NULL;
    kn_auto(kn_sink_free) struct kn_sink *out = NULL;
    int64_t at = 0, sleep_us = 0;
    size_t got = 1;
    static char bytes[256 * 1024];
    kn_code rc = kn_context_open_input(context, kn_json_get(spec, "Input", ""), &in, err);
    if (rc == KN_OK)
        rc = kn_context_open_output(context, kn_json_get(spec, "Output", ""), &out, err);
    while (rc == KN_OK && got) {
        rc = kn_source_read_at(in, at, bytes, sizeof(bytes), &got, err);
        if (rc == KN_OK)
            rc = kn_fs_write_all(out->fd, bytes, got, err);
        at += (int64_t)got;
        if (in->size_bytes > 0)
            kn_context_progress(context, (double)at / (double)in->size_bytes, NULL);
    }
    (void)kn_json_int(spec, "SleepUs", "", 0, INT64_MAX, &sleep_us, NULL);
    for (int64_t end = kn_mono_us() + sleep_us; rc == KN_OK && kn_mono_us() < end;) {
        if (kn_context_is_cancelled(context))
            rc = kn_fail(err, KN_ECANCELED, "stopped while copying");
        kn_sleep_us(5000);
    }
    if (rc == KN_OK)
        rc = kn_sink_commit(out, err);
    *out_result = json_pack("{s:I, s:s, s:b}", "Bytes", (json_int_t)at, "Identity",
                            in ? in->identity : "", "Remote", in && in->fd < 0);
    return rc;
}

static kn_code refuse_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                          struct kn_error *err)
{
    (void)context;
    *out_result = json_pack("{s:i}", "Half", 1);
    return kn_fail_as(err, kn_code_from_name(kn_json_get(spec, "Code", "KN_EMEDIA")), "NoSuchThing",
                      "'%s' cannot be done", kn_json_get(spec, "What", "it"));
}

/* ---- features that misbehave ---- */

// Asks for what its job does not name.
static kn_code steal_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                         struct kn_error *err)
{
    (void)spec, (void)out_result;
    kn_auto(kn_source_free) struct kn_source *in = NULL;
    return kn_context_open_input(context, "oss://secrets/key", &in, err);
}

static kn_code crash_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                         struct kn_error *err)
{
    (void)context, (void)spec, (void)out_result, (void)err;
    (void)signal(SIGSEGV, SIG_DFL); // a sanitizer's handler would exit instead
    (void)raise(SIGSEGV);
    return KN_OK;
}

static kn_code hang_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                        struct kn_error *err)
{
    (void)spec, (void)out_result, (void)err;
    (void)signal(SIGTERM, SIG_IGN); // a decoder in an endless loop looks at nothing
    for (int i = 0; i < 100 * 60; i++) {
        kn_context_progress(context, 0.25, NULL); // the same again: no progress
        kn_sleep_us(10000);
    }
    return KN_OK;
}

static kn_code spin_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                        struct kn_error *err)
{
    (void)context, (void)spec, (void)out_result, (void)err;
    volatile unsigned n = 0;
    for (int64_t end = kn_mono_us() + KN_MINUTE; kn_mono_us() < end;)
        n++;
    return KN_OK;
}

static kn_code hog_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                       struct kn_error *err)
{
    (void)context, (void)spec, (void)out_result;
    for (int i = 0; i < 4096; i++) {
        char *piece = malloc(1 << 20);
        if (!piece)
            return kn_fail(err, KN_ENOMEM, "no memory after %d MiB", i);
        memset(piece, i | 1, 1 << 20);
        kn_sleep_us(2000);
    }
    return KN_OK;
}

static kn_code broken_frame_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                                struct kn_error *err)
{
    (void)context, (void)out_result, (void)err;
    const char *how = kn_json_get(spec, "How", "type");
    kn_auto(kn_buf_clear) struct kn_buf frame = {0};
    if (strcmp(how, "type") == 0)
        kn_frame_encode(&frame, KN_FRAME_FORK, 1, false, "{}", 2);
    else if (strcmp(how, "length") == 0)
        kn_buf_add(&frame, "\xff\xff\xff\x7f\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00", 16);
    else if (strcmp(how, "json") == 0)
        kn_frame_encode(&frame, KN_FRAME_OPEN_INPUT, 1, false, "{]", 2);
    else
        kn_frame_encode(&frame, KN_FRAME_READ, 1, false, "{\"handle\":77,\"n\":5}", 19);
    (void)!write(3, frame.data, frame.len);
    kn_sleep_us(KN_MINUTE);
    return KN_OK;
}

static kn_code leave_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                         struct kn_error *err)
{
    (void)context, (void)spec, (void)out_result, (void)err;
    _exit(3);
}

/* ---- attacks ---- */

static int try_open(const char *path, int flags)
{
    kn_auto(kn_close_fd) int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd >= 0 ? 0 : errno;
}

static int try_exec(void)
{
    char *arguments[] = {(char[]){"true"}, NULL};
    return execv("/bin/true", arguments) < 0 ? errno : 0;
}

// 0: it was let through; otherwise the errno of the refusal.
static int attack(const json_t *spec)
{
    const char *what = kn_json_get(spec, "What", ""), *path = kn_json_get(spec, "Path", "");
    long rc = -1;
    errno = 0;
    if (strcmp(what, "socket") == 0)
        rc = socket(AF_INET, SOCK_STREAM, 0);
    else if (strcmp(what, "unix socket") == 0)
        rc = socket(AF_UNIX, SOCK_STREAM, 0);
    else if (strcmp(what, "exec") == 0)
        return try_exec();
    else if (strcmp(what, "fork") == 0)
        rc = fork();
    else if (strcmp(what, "ptrace") == 0)
        rc = ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    else if (strcmp(what, "kill parent") == 0)
        rc = kill(getppid(), SIGKILL);
    else if (strcmp(what, "kill parent's thread") == 0)
        rc = syscall(SYS_tgkill, getppid(), getppid(), SIGKILL);
    else if (strcmp(what, "signal itself") == 0)
        rc = raise(0) != 0 || kill(getpid(), 0) != 0 ? -1 : 0;
    else if (strcmp(what, "chmod") == 0)
        rc = chmod(path, 0777);
    else if (strcmp(what, "read") == 0)
        return try_open(path, O_RDONLY);
    else if (strcmp(what, "write") == 0)
        return try_open(path, O_WRONLY | O_CREAT);
    else if (strcmp(what, "other descriptors") == 0)
        rc = fcntl(4, F_GETFD);
    else if (strcmp(what, "new privileges") == 0)
        rc = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? -1 : 0, errno = EPERM;
    return rc < 0 ? errno : 0;
}

static kn_code attack_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                          struct kn_error *err)
{
    (void)err;
    int e = attack(spec);
    char scratch[256], keep[256];
    (void)snprintf(scratch, sizeof(scratch), "%s/mine", context->scratch_folder);
    (void)snprintf(keep, sizeof(keep), "%s/mine", context->keep_folder);
    *out_result = json_pack("{s:b, s:i, s:b}", "LetThrough", e == 0, "Errno", e, "OwnFolders",
                            try_open(scratch, O_CREAT | O_RDWR) == 0 &&
                                try_open(keep, O_CREAT | O_RDWR) == 0);
    return KN_OK;
}

const struct kn_worker_feature kn_worker_features[] = {
    {"copy", NULL, copy_run},     {"refuse", NULL, refuse_run},
    {"crash", NULL, crash_run},   {"hang", NULL, hang_run},
    {"hog", NULL, hog_run},       {"broken frame", NULL, broken_frame_run},
    {"leave", NULL, leave_run},   {"attack", NULL, attack_run},
    {"steal", NULL, steal_run},   {"spin", NULL, spin_run},
    {NULL, NULL, NULL},
};

int main(void)
{
    return kn_nursery_main(3, kn_worker_features, NULL);
}
