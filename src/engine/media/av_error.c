/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/av_error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/error.h>
#include <libavutil/log.h>

#include "base/log.h"

static kn_code av_code(int av)
{
    switch (av) {
    case AVERROR(ENOMEM): return KN_ENOMEM;
    case AVERROR(ENOENT): return KN_ENOTFOUND;
    case AVERROR_EXIT: return KN_ECANCELED;
    case AVERROR(EIO):
    case AVERROR(ENOSPC):
    case AVERROR(EDQUOT):
    case AVERROR(EFBIG): return KN_EIO;
    case AVERROR_PATCHWELCOME:
    case AVERROR(ENOSYS):
    case AVERROR_BSF_NOT_FOUND:
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_ENCODER_NOT_FOUND:
    case AVERROR_FILTER_NOT_FOUND:
    case AVERROR_MUXER_NOT_FOUND:
    case AVERROR_OPTION_NOT_FOUND: return KN_EUNSUP;
    case AVERROR_BUG:
    case AVERROR_BUG2: return KN_EBUG;
    default: return KN_EMEDIA;
    }
}

kn_code kn_av_fail(struct kn_error *err, int av, const char *fmt, ...)
{
    char text[512], reason[AV_ERROR_MAX_STRING_SIZE] = "";
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)av_strerror(av, reason, sizeof(reason));
    return kn_fail(err, av_code(av), "%s: %s", text, reason);
}

static void log_line(void *object, int level, const char *fmt, va_list args)
{
    if (level > AV_LOG_INFO || kn_log_level() > KN_LOG_DEBUG)
        return;
    char text[512];
    int starts_line = 1;
    (void)av_log_format_line2(object, level, fmt, args, text, sizeof(text), &starts_line);
    text[strcspn(text, "\n")] = '\0';
    kn_log_write(NULL, KN_LOG_DEBUG, "%s", text);
}

void kn_av_log_join(void)
{
    av_log_set_callback(log_line);
    (void)setenv("SVT_LOG", "1", 0); // SVT-AV1 prints by itself: errors alone
}
