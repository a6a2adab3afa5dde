/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/run.h"

#include <time.h>

#include "base/cleanup.h"

// How often progress is told and the question whether to stop asked.
#define TICK_US (100 * 1000)
// What remains of the work after the last packet: the index, checking.
#define SHARE_OF_PACKETS 0.98

bool kn_run_is_joined(const struct kn_run *run, int input)
{
    return input == 0 || run->spec->inputs[input].joins_first;
}

const AVStream *kn_run_stream(const struct kn_run *run, int input, enum AVMediaType kind, int nth)
{
    const struct kn_convert_input *spec = &run->spec->inputs[input];
    const bool is_disabled = (kind == AVMEDIA_TYPE_VIDEO && spec->disables_video) ||
                             (kind == AVMEDIA_TYPE_AUDIO && spec->disables_audio);
    return run->inputs[input].input && !is_disabled ? kn_input_stream(run->inputs[input].input, kind, nth) : NULL;
}

int kn_run_choose(const struct kn_run *run, int input, enum AVMediaType kind, const struct kn_convert_choice *choice,
                  int *nths)
{
    int n = 0;
    if (!choice->is_given && kn_run_stream(run, input, kind, 0))
        nths[n++] = 0;
    for (int nth = 0; choice->is_all && kn_run_stream(run, input, kind, nth); nth++)
        nths[n++] = nth;
    for (int i = 0; !choice->is_all && i < choice->n_numbers; i++)
        if (kn_run_stream(run, input, kind, choice->numbers[i]))
            nths[n++] = choice->numbers[i];
    return n;
}

int kn_run_parts(const struct kn_run *run, int input, const AVStream *st, struct kn_feed_part *parts)
{
    const enum AVMediaType kind = st->codecpar->codec_type;
    const AVStream *other;
    int n = 0, nth = 0;
    if (!kn_run_is_joined(run, input)) {
        parts[0] = (struct kn_feed_part){input, st->index};
        return 1;
    }
    while ((other = kn_run_stream(run, input, kind, nth)) && other->index != st->index)
        nth++;
    for (int i = 0; i < run->spec->n_inputs; i++) {
        other = kn_run_is_joined(run, i) ? kn_run_stream(run, i, kind, nth) : NULL;
        if (other)
            parts[n++] = (struct kn_feed_part){i, other->index};
    }
    return n;
}

kn_code kn_run_open_source(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    struct kn_run *run = impl;
    pthread_mutex_lock(&run->open_lock);
    const kn_code rc = kn_context_open_input(run->context, uri, out, err);
    pthread_mutex_unlock(&run->open_lock);
    return rc;
}

kn_code kn_run_open_sink(void *impl, const char *uri, struct kn_sink **out, struct kn_error *err)
{
    struct kn_run *run = impl;
    pthread_mutex_lock(&run->open_lock);
    const kn_code rc = kn_context_open_output(run->context, uri, out, err);
    pthread_mutex_unlock(&run->open_lock);
    return rc;
}

/* ---- failing ---- */
void kn_output_fail(struct kn_output_run *output, const struct kn_error *err)
{
    pthread_mutex_lock(&output->lock);
    if (output->error.code == KN_OK)
        output->error = *err;
    pthread_mutex_unlock(&output->lock);
    if (output->mux)
        kn_mux_stop(output->mux);
}

bool kn_output_has_failed(struct kn_output_run *output)
{
    pthread_mutex_lock(&output->lock);
    const bool has_failed = output->error.code != KN_OK;
    pthread_mutex_unlock(&output->lock);
    return has_failed;
}

void kn_run_fail(struct kn_run *run, const struct kn_error *err)
{
    pthread_mutex_lock(&run->lock);
    // What follows from stopping is no reason of its own.
    if (run->error.code == KN_OK && !(atomic_load(&run->stop) && err->code == KN_ECANCELED))
        run->error = *err;
    pthread_mutex_unlock(&run->lock);
    kn_run_stop(run);
}

void kn_run_stop(struct kn_run *run)
{
    atomic_store(&run->stop, true);
    for (int i = 0; i < run->spec->n_inputs; i++)
        if (run->inputs[i].demux)
            kn_demux_stop(run->inputs[i].demux);
    for (int i = 0; i < run->n_outputs; i++)
        if (run->outputs[i].mux)
            kn_mux_stop(run->outputs[i].mux);
    for (int i = 0; i < run->n_feeds; i++)
        for (int k = 0; k < run->feeds[i]->n_videos; k++)
            kn_channel_close(run->feeds[i]->videos[k]->channel);
}

/* ---- threads ---- */
kn_code kn_run_thread(struct kn_run *run, pthread_t *thread, void *(*body)(void *), void *arg,
                      const char *name, struct kn_error *err)
{
    pthread_mutex_lock(&run->lock);
    run->n_running++;
    pthread_mutex_unlock(&run->lock);
    const int e = pthread_create(thread, NULL, body, arg);
    if (e) {
        kn_run_thread_done(run);
        return kn_fail_errno(err, e, "cannot start a thread");
    }
    (void)pthread_setname_np(*thread, name);
    return KN_OK;
}

void kn_run_thread_done(struct kn_run *run)
{
    pthread_mutex_lock(&run->lock);
    run->n_running--;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

static double run_fraction(const struct kn_run *run)
{
    double sum = 0;
    for (int i = 0; i < run->n_outputs; i++) {
        const struct kn_output_run *o = &run->outputs[i];
        if (o->mux && o->duration_us > 0) {
            const double done = (double)kn_mux_position(o->mux) / (double)o->duration_us;
            sum += done > 1 ? 1 : done < 0 ? 0 : done;
        }
    }
    const double part = sum / (run->n_outputs ? run->n_outputs : 1) * SHARE_OF_PACKETS;
    return run->pass == 1 ? part / 2 : run->pass == 2 ? 0.5 + part / 2 : part;
}

void kn_run_wait(struct kn_run *run)
{
    pthread_mutex_lock(&run->lock);
    while (run->n_running > 0) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_US * 1000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&run->changed, &run->lock, &until);
        pthread_mutex_unlock(&run->lock);
        kn_context_progress(run->context, run_fraction(run), NULL);
        if (!atomic_load(&run->stop) && kn_context_is_cancelled(run->context)) {
            struct kn_error err = {0};
            (void)kn_fail(&err, KN_ECANCELED, "the conversion was cancelled");
            kn_run_fail(run, &err);
        }
        pthread_mutex_lock(&run->lock);
    }
    pthread_mutex_unlock(&run->lock);
}
