#pragma once
/* libav's error numbers become ours here, once, where they arrive; its log joins ours. */
#include "base/error.h"

/*
 * Fill `err` with "<text>: <what libav says>" and return the code that fits `av`: bad data is
 * KN_EMEDIA, a codec or format this build lacks KN_EUNSUP, a full disk KN_EIO, AVERROR_EXIT (our
 * interrupt callback) KN_ECANCELED.
 */
kn_code kn_av_fail(struct kn_error *err, int av, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Send what libav and the encoders log to our log at debug level. Any number of times. */
void kn_av_log_join(void);
