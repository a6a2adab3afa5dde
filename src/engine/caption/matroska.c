/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A Matroska film from its first byte to its packets: by the index where there is one to trust. */
#include "engine/caption/matroska.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

bool kn_matroska_is_one(const uint8_t *head, size_t n)
{
    static const uint8_t MAGIC[4] = {0x1A, 0x45, 0xDF, 0xA3};
    return n >= sizeof(MAGIC) && memcmp(head, MAGIC, sizeof(MAGIC)) == 0;
}

static void matroska_release(void *reader)
{
    struct kn_matroska *m = reader;
    kn_buf_clear(&m->block.addition);
    kn_buf_clear(&m->block.plain);
    free(m->tracks);
    free(m->cues);
    free(m->delivered);
    free(m);
}

static void matroska_free(struct kn_matroska **m)
{
    if (*m)
        matroska_release(*m);
    *m = NULL;
}

static kn_code matroska_begin(struct kn_harvest *harvest, struct kn_error *err)
{
    struct kn_matroska *m = harvest->reader;
    kn_code rc = kn_matroska_read_cues(m, err);
    if (rc != KN_OK)
        return rc;
    harvest->facts.is_indexed = m->uses_cues;
    kn_window_set_sparse(&harvest->window, m->uses_cues);
    kn_matroska_walk_from_start(m);
    return KN_OK;
}

static kn_code matroska_next(struct kn_harvest *harvest, struct kn_harvest_packet *out,
                             bool *out_has, struct kn_error *err)
{
    struct kn_matroska *m = harvest->reader;
    *out_has = false;
    for (;;) {
        kn_code rc = kn_matroska_next_packet(m, out, out_has, err);
        if (rc != KN_OK || *out_has)
            return rc;
        bool has_block = false;
        if (m->uses_cues)
            rc = kn_matroska_next_cue(m, &has_block, err);
        if (rc == KN_OK && !m->uses_cues) {
            harvest->facts.is_indexed = false;
            rc = kn_matroska_walk(m, &has_block, err);
        }
        if (rc != KN_OK || !has_block)
            return rc;
    }
}

// The heads of EBML and Segment.
static kn_code enter_segment(struct kn_matroska *m, struct kn_error *err)
{
    struct kn_window *window = &m->harvest->window;
    int64_t at = 0;
    for (int i = 0; i < 16; i++) { // EBML, Segment; Void between them is legal
        const uint8_t *bytes;
        size_t got;
        const kn_code rc = kn_window_show(window, at, KN_EBML_HEAD_BYTES, &bytes, &got, err);
        if (rc != KN_OK)
            return rc;
        struct kn_ebml_head head;
        if (kn_ebml_head(&head, bytes, got) != KN_EBML_OK)
            break;
        if (head.id == KN_MKV_SEGMENT) {
            m->segment_at = at + head.n_head;
            m->segment_end = head.n == KN_EBML_UNKNOWN || head.n > INT64_MAX - m->segment_at
                ? INT64_MAX : m->segment_at + head.n;
            return KN_OK;
        }
        if (head.n == KN_EBML_UNKNOWN || head.n > INT64_MAX - at - head.n_head)
            break;
        at += head.n_head + head.n;
    }
    return kn_fail(err, KN_EMEDIA, "'%s' begins like Matroska and has no segment",
                   window->source->uri);
}

kn_code kn_matroska_open(struct kn_harvest *harvest, struct kn_error *err)
{
    kn_auto(matroska_free) struct kn_matroska *m = calloc(1, sizeof(*m));
    if (!m)
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", harvest->window.source->uri);
    m->harvest = harvest;
    harvest->facts.container = "Matroska";
    kn_code rc = enter_segment(m, err);
    if (rc == KN_OK)
        rc = kn_matroska_read_headers(m, err);
    int64_t start_ns = 0;
    if (rc == KN_OK && harvest->n_tracks > 0)
        rc = kn_matroska_start_ns(m, &start_ns, err);
    if (rc != KN_OK)
        return rc;
    harvest->facts.start_us = start_ns / 1000;
    if (harvest->facts.end_us != KN_NO_TIME)
        harvest->facts.end_us -= harvest->facts.start_us;
    harvest->begin = matroska_begin;
    harvest->next = matroska_next;
    harvest->release = matroska_release;
    harvest->reader = KN_TAKE(m);
    return KN_OK;
}
