/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Errors as values: formatting and names. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// The sentence ends in an ellipsis when it did not fit, so that nobody takes half for the whole.
static void message_mark_cut(struct kn_error *err, int wanted)
{
    static const char dots[] = "…";
    if (wanted < (int)sizeof(err->message))
        return;
    size_t at = sizeof(err->message) - sizeof(dots);
    while (at > 0 && ((unsigned char)err->message[at] & 0xC0) == 0x80)
        at--; // not inside a UTF-8 sequence
    memcpy(err->message + at, dots, sizeof(dots));
}

kn_code kn_vfail(struct kn_error *err, kn_code code, const char *fmt, va_list args)
{
    if (!err)
        return code;
    err->code = code;
    err->reason[0] = '\0';
    int wanted = vsnprintf(err->message, sizeof(err->message), fmt, args);
    message_mark_cut(err, wanted);
    return code;
}

kn_code kn_fail(struct kn_error *err, kn_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    kn_vfail(err, code, fmt, args);
    va_end(args);
    return code;
}

kn_code kn_fail_as(struct kn_error *err, kn_code code, const char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    kn_vfail(err, code, fmt, args);
    va_end(args);
    if (err)
        (void)snprintf(err->reason, sizeof(err->reason), "%s", reason);
    return code;
}

static kn_code code_of_errno(int error_number)
{
    switch (error_number) {
    case ENOENT: return KN_ENOTFOUND;
    case EEXIST: return KN_ECONFLICT;
    case ENOMEM: return KN_ENOMEM;
    case ECANCELED: return KN_ECANCELED;
    default: return KN_EIO;
    }
}

kn_code kn_fail_errno(struct kn_error *err, int error_number, const char *fmt, ...)
{
    kn_code code = code_of_errno(error_number);
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    kn_vfail(err, code, fmt, args);
    va_end(args);

    char why[128];
    size_t used = strlen(err->message);
    int wanted = snprintf(err->message + used, sizeof(err->message) - used, ": %s",
                          strerror_r(error_number, why, sizeof(why)));
    message_mark_cut(err, (int)used + wanted);
    if (error_number == ENOSPC || error_number == EDQUOT)
        (void)snprintf(err->reason, sizeof(err->reason), "DiskFull");
    return code;
}

kn_code kn_error_prefix(struct kn_error *err, const char *fmt, ...)
{
    if (!err)
        return KN_EBUG; // callers return their own code when they keep no error
    char old[sizeof(err->message)];
    memcpy(old, err->message, sizeof(old));
    va_list args;
    va_start(args, fmt);
    int used = vsnprintf(err->message, sizeof(err->message), fmt, args);
    va_end(args);
    if (used >= 0 && used < (int)sizeof(err->message))
        used += snprintf(err->message + used, sizeof(err->message) - (size_t)used, ": %s", old);
    message_mark_cut(err, used);
    return err->code;
}

static const char *const code_names[] = {
    [KN_OK] = "KN_OK",         [KN_EINVAL] = "KN_EINVAL", [KN_ENOTFOUND] = "KN_ENOTFOUND",
    [KN_ECONFLICT] = "KN_ECONFLICT", [KN_EMEDIA] = "KN_EMEDIA", [KN_EUNSUP] = "KN_EUNSUP",
    [KN_EBUG] = "KN_EBUG",     [KN_ELIMIT] = "KN_ELIMIT", [KN_EIO] = "KN_EIO",
    [KN_ENOMEM] = "KN_ENOMEM", [KN_ECANCELED] = "KN_ECANCELED",
};

const char *kn_code_name(kn_code code)
{
    if ((size_t)code >= sizeof(code_names) / sizeof(code_names[0]))
        return "KN_EBUG";
    return code_names[code];
}

kn_code kn_code_from_name(const char *name)
{
    for (size_t i = 0; name && i < sizeof(code_names) / sizeof(code_names[0]); i++)
        if (strcmp(code_names[i], name) == 0)
            return (kn_code)i;
    return KN_EBUG;
}
