/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/packet_log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

#define MAGIC "KNPKLOG1"
#define MAX_HEAD_BYTES (1 << 20)
#define MAX_PACKET_BYTES (1 << 28)
// x264 and x265 begin with their buffer this full (vbv-init).
#define INITIAL_FILL 0.9
// Key frames come every few seconds of film; a fast encoder makes many of them in one second.
#define SYNC_EVERY_US KN_SECOND

struct head {
    char magic[8];
    uint64_t length;
    uint64_t crc;
};

struct record {
    uint32_t size, flags;
    int64_t pts, dts, duration;
    uint64_t crc; // of the record with 0 here, and of the bytes
};

struct kn_packet_log {
    char *path; // owned
    char *key;  // owned
    FILE *file; // owned
    json_t *facts; // owned
    struct kn_packet_log_seam seam;
    double buffer_bits, bits_per_packet;
    int64_t n_replayed;
    off_t cut_at;      // where the seam is cut with the first packet added; -1: nothing to cut
    int64_t synced_us; // monotonic
};

static kn_code log_fail(const struct kn_packet_log *log, struct kn_error *err, const char *what)
{
    return kn_fail_errno(err, errno ? errno : EIO, "cannot %s '%s'", what, log->path);
}

/* ---- records ---- */
static uint64_t record_crc(struct record record, const void *bytes)
{
    record.crc = 0;
    return kn_crc64(kn_crc64(0, &record, sizeof(record)), bytes, record.size);
}

// Whether a whole record came. *bytes is malloc'd memory that grows as needed.
static bool record_read(FILE *file, struct record *record, uint8_t **bytes, size_t *capacity)
{
    if (fread(record, sizeof(*record), 1, file) != 1 || record->size > MAX_PACKET_BYTES)
        return false;
    if (record->size > *capacity) {
        uint8_t *more = realloc(*bytes, record->size);
        if (!more)
            return false;
        *bytes = more;
        *capacity = record->size;
    }
    return fread(*bytes, 1, record->size, file) == record->size &&
           record_crc(*record, *bytes) == record->crc;
}

/* ---- opening ---- */
static bool head_read(struct kn_packet_log *log)
{
    struct head head;
    kn_auto(kn_free) char *text = NULL;
    json_auto_t *json = NULL;
    if (fread(&head, sizeof(head), 1, log->file) != 1 || memcmp(head.magic, MAGIC, 8) != 0 ||
        head.length > MAX_HEAD_BYTES || !(text = malloc(head.length + 1)) ||
        fread(text, 1, head.length, log->file) != head.length ||
        kn_crc64(0, text, head.length) != head.crc ||
        kn_json_parse(&json, text, head.length, "log", NULL) != KN_OK ||
        !kn_equal(kn_json_get(json, "Key", ""), log->key))
        return false;
    log->facts = json_incref(json_object_get(json, "Facts"));
    return true;
}

// Find the seam: the last key packet that is whole, and what lies before it.
static void log_scan(struct kn_packet_log *log)
{
    struct record record;
    kn_auto(kn_free) uint8_t *bytes = NULL;
    size_t capacity = 0;
    int64_t n = 0, last_dts = 0;
    double fill = log->buffer_bits * INITIAL_FILL;
    while (record_read(log->file, &record, &bytes, &capacity)) {
        if (record.flags & AV_PKT_FLAG_KEY && n > 0)
            log->seam = (struct kn_packet_log_seam){
                .n_packets = n, .pts = record.pts, .last_dts = last_dts, .buffer_bits = fill};
        fill = fmin(fmax(fill - 8.0 * record.size, 0) + log->bits_per_packet, log->buffer_bits);
        last_dts = record.dts;
        n++;
    }
    log->seam.n_repeated = n - log->seam.n_packets;
}

kn_code kn_packet_log_open(struct kn_packet_log **out, const struct kn_packet_log_setup *setup,
                           struct kn_error *err)
{
    kn_auto(kn_packet_log_free) struct kn_packet_log *log = calloc(1, sizeof(*log));
    if (!log || !(log->path = strdup(setup->path)) || !(log->key = strdup(setup->key)))
        return kn_fail(err, KN_ENOMEM, "no memory for a log");
    log->buffer_bits = setup->buffer_bits;
    log->bits_per_packet = setup->bits_per_packet;
    log->cut_at = -1;
    const int fd = open(log->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || !(log->file = fdopen(fd, "r+b"))) {
        const kn_code rc = log_fail(log, err, "open");
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    if (head_read(log))
        log_scan(log);
    // Reading goes on after the head; facts of a log without a seam say nothing.
    rewind(log->file);
    if (log->seam.n_packets > 0) {
        json_decref(log->facts);
        log->facts = NULL;
        if (!head_read(log))
            return log_fail(log, err, "read");
    } else {
        json_decref(log->facts);
        log->facts = NULL;
    }
    *out = KN_TAKE(log);
    return KN_OK;
}

void kn_packet_log_free(struct kn_packet_log **log_ptr)
{
    struct kn_packet_log *log = *log_ptr;
    if (!log)
        return;
    kn_close_file(&log->file);
    json_decref(log->facts);
    free(log->path);
    free(log->key);
    free(log);
    *log_ptr = NULL;
}

const struct kn_packet_log_seam *kn_packet_log_seam(const struct kn_packet_log *log)
{
    return &log->seam;
}

const json_t *kn_packet_log_facts(const struct kn_packet_log *log)
{
    return log->facts;
}

/* ---- replaying ---- */
kn_code kn_packet_log_next(struct kn_packet_log *log, AVPacket *packet, bool *out_has,
                           struct kn_error *err)
{
    *out_has = log->n_replayed < log->seam.n_packets;
    if (!*out_has) {
        // Not cut yet: should we die before the first packet is made, the seam must still be found.
        log->cut_at = ftello(log->file);
        return log->cut_at < 0 ? log_fail(log, err, "read") : KN_OK;
    }
    struct record record;
    if (fread(&record, sizeof(record), 1, log->file) != 1 || record.size > MAX_PACKET_BYTES)
        return log_fail(log, err, "read");
    if (av_new_packet(packet, (int)record.size) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a packet");
    if (fread(packet->data, 1, record.size, log->file) != record.size ||
        record_crc(record, packet->data) != record.crc)
        return log_fail(log, err, "read");
    packet->pts = record.pts;
    packet->dts = record.dts;
    packet->duration = record.duration;
    packet->flags = (int)record.flags;
    log->n_replayed++;
    return KN_OK;
}

/* ---- writing ---- */
kn_code kn_packet_log_begin(struct kn_packet_log *log, const json_t *facts, struct kn_error *err)
{
    json_auto_t *json = json_pack("{s:s, s:O}", "Key", log->key, "Facts", (json_t *)facts);
    kn_auto(kn_free) char *text = json ? kn_json_text(json) : NULL;
    if (!text)
        return kn_fail(err, KN_ENOMEM, "no memory for a log");
    log->seam = (struct kn_packet_log_seam){0};
    log->cut_at = -1;
    struct head head = {.magic = MAGIC, .length = strlen(text)};
    head.crc = kn_crc64(0, text, head.length);
    rewind(log->file);
    if (ftruncate(fileno(log->file), 0) != 0 || fwrite(&head, sizeof(head), 1, log->file) != 1 ||
        fwrite(text, 1, head.length, log->file) != head.length)
        return log_fail(log, err, "write");
    return KN_OK;
}

kn_code kn_packet_log_add(struct kn_packet_log *log, const AVPacket *packet, struct kn_error *err)
{
    struct record record = {
        .size = (uint32_t)packet->size,
        .flags = (uint32_t)packet->flags,
        .pts = packet->pts,
        .dts = packet->dts,
        .duration = packet->duration,
    };
    record.crc = record_crc(record, packet->data);
    errno = 0;
    if (log->cut_at >= 0) {
        if (ftruncate(fileno(log->file), log->cut_at) != 0 || fseeko(log->file, log->cut_at, SEEK_SET) != 0)
            return log_fail(log, err, "cut");
        log->cut_at = -1;
    }
    if (fwrite(&record, sizeof(record), 1, log->file) != 1 ||
        fwrite(packet->data, 1, record.size, log->file) != record.size)
        return log_fail(log, err, "write");
    if (!(packet->flags & AV_PKT_FLAG_KEY))
        return KN_OK;
    if (fflush(log->file) != 0)
        return log_fail(log, err, "write");
    const int64_t now_us = kn_mono_us();
    if (now_us - log->synced_us < SYNC_EVERY_US)
        return KN_OK;
    log->synced_us = now_us;
    return fdatasync(fileno(log->file)) == 0 ? KN_OK : log_fail(log, err, "write");
}
