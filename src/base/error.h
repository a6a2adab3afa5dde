#pragma once
/*
 * Errors as values: a code that tells the caller what to do next, and a sentence for people.
 *
 * `return kn_fail(err, KN_EINVAL, "track %d has no clips", i);` is a whole failure path. Sentences
 * say what failed first, quote the subject in '…', start in lower case, end without a full stop.
 * Thread-safety: a struct kn_error belongs to one thread.
 */
#include <stdarg.h>

typedef enum kn_code {
    KN_OK = 0,
    KN_EINVAL,    // the request is wrong: 400, no retry
    KN_ENOTFOUND, // what the request names is not there: 404, no retry
    KN_ECONFLICT, // it clashes with what is there: 409, no retry
    KN_EMEDIA,    // the input file is bad: the job fails, no retry
    KN_EUNSUP,    // this build or machine cannot do it: the job fails, no retry
    KN_EBUG,      // our mistake: the job fails, no retry
    KN_ELIMIT,    // too much right now: 429 or 500, retried
    KN_EIO,       // disk, network or database failed: retried
    KN_ENOMEM,    // no memory: retried
    KN_ECANCELED, // someone asked us to stop
} kn_code;

struct kn_error {
    kn_code code;
    // Optional: a stable word that says more than the code, in the vendor's own spelling where
    // there is one ("NoAudioStream", "TemplateNotFound"). Only api/ turns it into a wire Code.
    char reason[48];
    char message[768]; // one sentence; cut with "…" when longer
};

/* Fill `err` (optional) and return `code`. */
kn_code kn_fail(struct kn_error *err, kn_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
kn_code kn_vfail(struct kn_error *err, kn_code code, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* The same with a reason word. */
kn_code kn_fail_as(struct kn_error *err, kn_code code, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * The same for an errno value: appends ": <strerror>", and picks the code from it (ENOENT is
 * KN_ENOTFOUND, EEXIST KN_ECONFLICT, ENOMEM KN_ENOMEM, all others KN_EIO). No space left has the reason
 * "DiskFull".
 */
kn_code kn_fail_errno(struct kn_error *err, int error_number, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "<text>: " before the message of a failure that is on its way up; returns err->code. */
kn_code kn_error_prefix(struct kn_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The code's name ("KN_EINVAL") and back; an unknown name is KN_EBUG. */
const char *kn_code_name(kn_code code);
kn_code kn_code_from_name(const char *name);

/* Whether a job that failed with `code` is worth another attempt. */
static inline int kn_code_is_retryable(kn_code code)
{
    return code == KN_ELIMIT || code == KN_EIO || code == KN_ENOMEM;
}
