/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An MP4 film from its first byte to its captions' samples: the header's tracks one by one, of pictures
 * and sound only their first page; then, fragment by fragment, the samples in the order of the file.
 */
#include "engine/caption/mp4.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"

#define BOX(a, b, c, d) KN_MP4_TYPE(a, b, c, d)

// Of a trak this much tells what it is; of pictures and sound it is all that is needed.
#define TRAK_HEAD_BYTES 4096
// Boxes at the top of the file: a fragment each second of a week.
#define MAX_TOP_BOXES (2 * 1024 * 1024)
// Samples so close are read at once: less than another system call costs (local), or message.
#define NEAR_LOCAL (8 * 1024)
#define NEAR_REMOTE (256 * 1024)
#define MAX_RUN (1024 * 1024)
// How many samples ahead a disk is told of.
#define ANNOUNCED 64

bool kn_mp4_is_one(const uint8_t *head, size_t n)
{
    static const uint32_t FIRST[] = {
        BOX('f', 't', 'y', 'p'), BOX('s', 't', 'y', 'p'), BOX('m', 'o', 'o', 'v'),
        BOX('m', 'd', 'a', 't'), BOX('w', 'i', 'd', 'e'), BOX('f', 'r', 'e', 'e'),
        BOX('s', 'k', 'i', 'p'), BOX('p', 'n', 'o', 't'),
    };
    struct kn_mp4_head box;
    if (!kn_mp4_head(&box, head, n))
        return false;
    for (size_t i = 0; i < KN_COUNT(FIRST); i++)
        if (box.type == FIRST[i])
            return true;
    return false;
}

/* ---- samples ---- */
static bool says_nothing(enum kn_caption_codec codec, uint32_t n)
{
    // A text of no characters (16 bits of length), a vtte box: they only fill the time.
    return n == 0 || (codec == KN_CAPTION_MOV_TEXT && n <= 2) || (codec == KN_CAPTION_WVTT && n <= 8);
}

static kn_code keep_sample(struct kn_mp4 *m, const struct kn_mp4_sample *sample, struct kn_error *err)
{
    if (m->n_samples == m->sample_capacity) {
        const size_t capacity = m->sample_capacity ? 2 * m->sample_capacity : 256;
        struct kn_mp4_sample *samples =
            capacity <= KN_MP4_MAX_SAMPLES ? realloc(m->samples, capacity * sizeof(*samples)) : NULL;
        if (!samples)
            return kn_fail(err, capacity <= KN_MP4_MAX_SAMPLES ? KN_ENOMEM : KN_EMEDIA,
                           "no room for %zu caption samples", capacity);
        m->samples = samples;
        m->sample_capacity = capacity;
    }
    m->samples[m->n_samples++] = *sample;
    return KN_OK;
}

kn_code kn_mp4_add_sample(struct kn_mp4 *m, const struct kn_mp4_track *track, int64_t at, uint32_t n,
                          int64_t time, uint32_t duration, struct kn_error *err)
{
    if (++m->n_claimed > KN_MP4_MAX_CLAIMED)
        return kn_fail(err, KN_EMEDIA, "the film claims more than %d caption samples", KN_MP4_MAX_CLAIMED);
    if (says_nothing(m->harvest->tracks[track->caption].facts.codec, n))
        return KN_OK;
    const int64_t size = m->harvest->window.source->size_bytes;
    if (at < 0 || at > INT64_MAX - n || (size >= 0 && at + n > size) || n > KN_MAX_CAPTION_PACKET) {
        kn_harvest_warn(m->harvest, "a sample of caption track %d, %" PRIu32 " bytes at byte %" PRId64
                        ", is not in the file", track->caption, n, at);
        return KN_OK;
    }
    const int64_t start_us = kn_mp4_us(time, track->timescale);
    const bool has_end = duration != KN_MP4_NO_DURATION && time <= INT64_MAX - duration;
    const int64_t end_us = has_end ? kn_mp4_us(time + duration, track->timescale) : KN_NO_TIME;
    if (start_us == KN_NO_TIME || start_us > INT64_MAX / 4 || start_us < INT64_MIN / 4)
        return KN_OK;
    struct kn_mp4_sample sample = {.at = at, .n = n, .caption = track->caption};
    if (track->n_edits == 0) {
        sample.start_us = start_us;
        sample.duration_us = end_us == KN_NO_TIME ? KN_NO_TIME : end_us - start_us;
        return keep_sample(m, &sample, err);
    }
    for (int i = 0; i < track->n_edits; i++) {
        const struct kn_mp4_edit *edit = &track->edits[i];
        const int64_t from = start_us > edit->from_us ? start_us : edit->from_us;
        // One edit says when the track begins; that it ends too early must not cost a caption.
        const bool is_behind = start_us >= edit->until_us;
        const int64_t until = end_us < edit->until_us || is_behind ? end_us : edit->until_us;
        if ((is_behind && track->n_edits > 1) ||
            (end_us != KN_NO_TIME && start_us < edit->from_us && end_us <= edit->from_us))
            continue;
        sample.start_us = from + edit->shift_us;
        sample.duration_us = end_us == KN_NO_TIME ? KN_NO_TIME : until - from;
        const kn_code rc = keep_sample(m, &sample, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

static int compare_samples(const void *a, const void *b)
{
    const struct kn_mp4_sample *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->start_us < y->start_us ? -1 : x->start_us > y->start_us;
}

static void sort_samples(struct kn_mp4 *m)
{
    if (m->n_samples > 0)
        qsort(m->samples, m->n_samples, sizeof(*m->samples), compare_samples);
}

/* ---- reading them ---- */
// Where a run of neighbours that begins with the next sample ends.
static int64_t run_of(const struct kn_mp4 *m, size_t first, size_t *out_next)
{
    const int64_t near_bytes = m->harvest->window.source->fd >= 0 ? NEAR_LOCAL : NEAR_REMOTE;
    const int64_t begin = m->samples[first].at;
    int64_t end = begin + m->samples[first].n;
    size_t i = first + 1;
    for (; i < m->n_samples; i++) {
        const struct kn_mp4_sample *sample = &m->samples[i];
        const int64_t sample_end = sample->at + sample->n;
        if (sample->at > end + near_bytes || sample_end - begin > MAX_RUN)
            break;
        if (sample_end > end)
            end = sample_end;
    }
    *out_next = i;
    return end;
}

// Half of what was announced is left: the next ones. None is looked at twice, for a run may be all of them.
static void announce(struct kn_mp4 *m)
{
    if (!m->harvest->window.is_cold || m->next_announced > m->next_sample + ANNOUNCED / 2)
        return;
    size_t *i = &m->next_announced;
    for (int n = 0; n < ANNOUNCED && *i < m->n_samples; n++) {
        const int64_t at = m->samples[*i].at;
        kn_window_announce(&m->harvest->window, at, (size_t)(run_of(m, *i, i) - at));
    }
}

static kn_code take_sample(struct kn_mp4 *m, struct kn_harvest_packet *out, bool *out_has,
                           struct kn_error *err)
{
    const uint8_t *bytes;
    size_t got;
    announce(m);
    const struct kn_mp4_sample *sample = &m->samples[m->next_sample];
    if (sample->at + sample->n > m->run_end || sample->at < m->run_begin) {
        size_t next;
        m->run_begin = sample->at;
        m->run_end = run_of(m, m->next_sample, &next);
        const kn_code rc = kn_window_show(&m->harvest->window, sample->at,
                                          (size_t)(m->run_end - sample->at), &bytes, &got, err);
        if (rc != KN_OK)
            return rc;
    }
    const kn_code rc = kn_window_show(&m->harvest->window, sample->at, sample->n, &bytes, &got, err);
    if (rc != KN_OK)
        return rc;
    m->next_sample++;
    if (got < sample->n) {
        kn_harvest_warn(m->harvest, "a sample of caption track %d at byte %" PRId64 " is cut off",
                        sample->caption, sample->at);
        return KN_OK;
    }
    *out = (struct kn_harvest_packet){
        .track = sample->caption,
        .packet = {
            .start_us = sample->start_us - m->harvest->facts.start_us,
            .duration_us = sample->duration_us,
            .bytes = bytes,
            .n = sample->n,
        },
    };
    *out_has = true;
    return KN_OK;
}

/* ---- the top of the file ---- */
// The box at `at`, *out_end where the next begins; false behind the last one.
static kn_code top_box(struct kn_mp4 *m, int64_t at, struct kn_mp4_head *head, int64_t *out_end,
                       bool *out_has, struct kn_error *err)
{
    const uint8_t *bytes;
    size_t got;
    *out_has = false;
    const int64_t size = m->harvest->window.source->size_bytes;
    if (size >= 0 && at >= size)
        return KN_OK;
    const kn_code rc = kn_window_show(&m->harvest->window, at, KN_MP4_HEAD_BYTES, &bytes, &got, err);
    if (rc != KN_OK || got == 0)
        return rc;
    if (!kn_mp4_head(head, bytes, got)) {
        kn_harvest_warn(m->harvest, "the film is damaged from byte %" PRId64 " on", at);
        return KN_OK;
    }
    *out_end = head->n < 0 || head->n > INT64_MAX - at - head->n_head ? INT64_MAX
                                                                      : at + head->n_head + head->n;
    *out_has = true;
    return KN_OK;
}

// A box's payload as a whole; cut off where the file ends.
static kn_code load_box(struct kn_mp4 *m, int64_t at, const struct kn_mp4_head *head, size_t most,
                        struct kn_mp4_span *out, struct kn_error *err)
{
    const uint8_t *bytes;
    size_t got;
    int64_t n = head->n;
    const int64_t size = m->harvest->window.source->size_bytes;
    if (size >= 0 && (n < 0 || n > size - at - head->n_head))
        n = size - at - head->n_head;
    if (n < 0 || n > (int64_t)most)
        n = (int64_t)most;
    const kn_code rc = kn_window_show(&m->harvest->window, at + head->n_head, (size_t)n, &bytes, &got, err);
    *out = rc == KN_OK ? (struct kn_mp4_span){bytes, got, false} : (struct kn_mp4_span){0};
    return rc;
}

static kn_code next_fragment(struct kn_mp4 *m, bool only_start, bool *out_has, struct kn_error *err)
{
    *out_has = false;
    for (int i = 0; i < MAX_TOP_BOXES; i++) {
        struct kn_mp4_head head;
        int64_t end;
        bool has_box;
        const int64_t at = m->fragment_at;
        kn_code rc = top_box(m, at, &head, &end, &has_box, err);
        if (rc != KN_OK || !has_box)
            return rc;
        m->fragment_at = end;
        if (head.type != BOX('m', 'o', 'o', 'f'))
            continue;
        struct kn_mp4_span moof;
        rc = load_box(m, at, &head, KN_MAX_WINDOW_BYTES, &moof, err);
        if (rc == KN_OK)
            rc = kn_mp4_read_fragment(m, moof, at, only_start, err);
        *out_has = rc == KN_OK;
        return rc;
    }
    return KN_OK;
}

/* ---- the header ---- */
static void read_mvhd(struct kn_mp4 *m, struct kn_mp4_span mvhd)
{
    const bool is_long = kn_mp4_get(&mvhd, 4) >> 24 == 1;
    kn_mp4_skip(&mvhd, is_long ? 16 : 8);
    const uint32_t timescale = (uint32_t)kn_mp4_get(&mvhd, 4);
    const uint64_t duration = kn_mp4_get(&mvhd, is_long ? 8 : 4);
    if (timescale == 0)
        return;
    m->timescale = timescale;
    if (duration > 0 && duration < (is_long ? INT64_MAX / 4 : UINT32_MAX))
        m->harvest->facts.end_us = kn_mp4_us((int64_t)duration, timescale);
}

static void read_mvex(struct kn_mp4 *m, struct kn_mp4_span mvex)
{
    uint32_t type;
    struct kn_mp4_span box;
    m->has_fragments = true;
    while (kn_mp4_next(&mvex, &type, &box)) {
        if (type != BOX('t', 'r', 'e', 'x'))
            continue;
        kn_mp4_skip(&box, 4);
        struct kn_mp4_track *track = kn_mp4_track(m, (uint32_t)kn_mp4_get(&box, 4));
        kn_mp4_skip(&box, 4); // sample description
        const uint32_t duration = (uint32_t)kn_mp4_get(&box, 4), n = (uint32_t)kn_mp4_get(&box, 4);
        if (track) {
            track->default_duration = duration;
            track->default_size = n;
        }
    }
}

static kn_code read_trak(struct kn_mp4 *m, int64_t at, const struct kn_mp4_head *head, struct kn_error *err)
{
    struct kn_mp4_span trak;
    kn_code rc = load_box(m, at, head, TRAK_HEAD_BYTES, &trak, err);
    if (rc != KN_OK)
        return rc;
    const uint32_t handler = kn_mp4_handler(trak);
    if (handler != BOX('v', 'i', 'd', 'e') && handler != BOX('s', 'o', 'u', 'n'))
        rc = load_box(m, at, head, KN_MAX_WINDOW_BYTES, &trak, err);
    return rc == KN_OK ? kn_mp4_read_track(m, trak, err) : rc;
}

// moov's children, one by one; mvhd stands before the tracks in every film that plays.
static kn_code read_moov(struct kn_mp4 *m, int64_t at, int64_t end, struct kn_error *err)
{
    for (int i = 0; i < KN_MP4_MAX_TRACKS && at < end; i++) {
        struct kn_mp4_head head;
        struct kn_mp4_span box;
        int64_t box_end;
        bool has_box;
        kn_code rc = top_box(m, at, &head, &box_end, &has_box, err);
        if (rc != KN_OK || !has_box)
            return rc;
        if (head.type == BOX('t', 'r', 'a', 'k'))
            rc = read_trak(m, at, &head, err);
        else if (head.type == BOX('m', 'v', 'h', 'd') && (rc = load_box(m, at, &head, 256, &box, err)) == KN_OK)
            read_mvhd(m, box);
        else if (head.type == BOX('m', 'v', 'e', 'x') && (rc = load_box(m, at, &head, 1024 * 1024, &box, err)) == KN_OK)
            read_mvex(m, box);
        else if (head.type == BOX('c', 'm', 'o', 'v'))
            rc = kn_fail(err, KN_EUNSUP, "its header is compressed (cmov)");
        if (rc != KN_OK)
            return rc;
        at = box_end;
    }
    return KN_OK;
}

// Finds moov, wherever it stands.
static kn_code read_header(struct kn_mp4 *m, struct kn_error *err)
{
    const char *uri = m->harvest->window.source->uri;
    int64_t at = 0;
    for (int i = 0; i < MAX_TOP_BOXES; i++) {
        struct kn_mp4_head head;
        int64_t end;
        bool has_box;
        const kn_code rc = top_box(m, at, &head, &end, &has_box, err);
        if (rc != KN_OK)
            return rc;
        if (!has_box)
            break;
        if (head.type == BOX('m', 'o', 'o', 'v')) {
            m->moov_at = at + head.n_head;
            m->moov_end = end;
            return read_moov(m, m->moov_at, m->moov_end, err);
        }
        at = end;
    }
    return kn_fail(err, KN_EMEDIA, "'%s' has no header (moov): it is cut off, or was never finished", uri);
}

/* ---- the reader ---- */
static void mp4_release(void *reader)
{
    struct kn_mp4 *m = reader;
    free(m->tracks);
    free(m->samples);
    free(m);
}

static void mp4_free(struct kn_mp4 **m)
{
    if (*m)
        mp4_release(*m);
    *m = NULL;
}

// The tables of the tracks that are wanted: now that it is known which.
static kn_code read_tables(struct kn_mp4 *m, struct kn_error *err)
{
    int64_t at = m->moov_at;
    int nth = 0;
    while (at < m->moov_end && nth < m->n_tracks) {
        struct kn_mp4_head head;
        int64_t end;
        bool has_box;
        kn_code rc = top_box(m, at, &head, &end, &has_box, err);
        if (rc != KN_OK || !has_box)
            return rc;
        const struct kn_mp4_track *track = &m->tracks[nth];
        if (head.type == BOX('t', 'r', 'a', 'k')) {
            nth++;
            struct kn_mp4_span box;
            if (track->caption >= 0 && kn_harvest_wants(m->harvest, track->caption)) {
                rc = load_box(m, at, &head, KN_MAX_WINDOW_BYTES, &box, err);
                if (rc != KN_OK)
                    return rc;
                const struct kn_mp4_span minf =
                    kn_mp4_find(kn_mp4_find(box, BOX('m', 'd', 'i', 'a')), BOX('m', 'i', 'n', 'f'));
                rc = kn_mp4_read_table(m, track, kn_mp4_find(minf, BOX('s', 't', 'b', 'l')), err);
                if (rc != KN_OK)
                    return rc;
            }
        }
        at = end;
    }
    return KN_OK;
}

static kn_code mp4_begin(struct kn_harvest *harvest, struct kn_error *err)
{
    struct kn_mp4 *m = harvest->reader;
    const kn_code rc = read_tables(m, err);
    if (rc != KN_OK)
        return rc;
    sort_samples(m);
    harvest->facts.is_indexed = true;
    kn_window_set_sparse(&harvest->window, true);
    return KN_OK;
}

static kn_code mp4_next(struct kn_harvest *harvest, struct kn_harvest_packet *out, bool *out_has,
                        struct kn_error *err)
{
    struct kn_mp4 *m = harvest->reader;
    *out_has = false;
    for (;;) {
        while (m->next_sample < m->n_samples) {
            const kn_code rc = take_sample(m, out, out_has, err);
            if (rc != KN_OK || *out_has)
                return rc;
        }
        bool has_fragment = false;
        m->n_samples = m->next_sample = m->next_announced = 0;
        if (m->has_fragments) {
            const kn_code rc = next_fragment(m, false, &has_fragment, err);
            if (rc != KN_OK)
                return rc;
        }
        if (!has_fragment)
            return KN_OK;
        m->run_end = 0;
        sort_samples(m);
    }
}

// When pictures and sound begin: by their edit lists, or by the first fragment.
static kn_code find_start(struct kn_mp4 *m, struct kn_error *err)
{
    int64_t least = INT64_MAX;
    m->start_us = INT64_MAX;
    if (m->has_fragments) {
        bool has_fragment;
        const kn_code rc = next_fragment(m, true, &has_fragment, err);
        if (rc != KN_OK)
            return rc;
        m->fragment_at = 0;
        least = m->start_us;
    }
    for (int i = 0; i < m->n_tracks && least == INT64_MAX; i++)
        if (m->tracks[i].has_media && m->tracks[i].delay_us < m->start_us)
            m->start_us = m->tracks[i].delay_us;
    m->harvest->facts.start_us = m->start_us == INT64_MAX ? 0 : m->start_us;
    return KN_OK;
}

kn_code kn_mp4_open(struct kn_harvest *harvest, struct kn_error *err)
{
    kn_auto(mp4_free) struct kn_mp4 *m = calloc(1, sizeof(*m));
    if (!m)
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", harvest->window.source->uri);
    m->harvest = harvest;
    m->timescale = 1000;
    harvest->facts.container = "MP4";
    kn_code rc = read_header(m, err);
    if (rc == KN_OK && harvest->n_tracks > 0)
        rc = find_start(m, err);
    if (rc != KN_OK)
        return rc;
    if (harvest->facts.end_us != KN_NO_TIME)
        harvest->facts.end_us -= harvest->facts.start_us;
    harvest->begin = mp4_begin;
    harvest->next = mp4_next;
    harvest->release = mp4_release;
    harvest->reader = KN_TAKE(m);
    return KN_OK;
}
