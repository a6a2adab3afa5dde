/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Objects to and from files. What resumes needs no notes of ours: parts that are in the store count as
 * sent when their CRC-64 is that of the same range of the file, and bytes of a download when the whole
 * has the object's CRC-64. Bytes go through libcurl's callbacks, a buffer at a time, so that memory
 * does not grow with the file; the CRC-64 of what went by is compared with what the store counted
 * (x-oss-hash-crc64ecma, spec 09).
 */
#include "cli/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/encode.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/xml.h"

// A part is sent again as a whole when the network fails: small enough for that, large enough that
// requests do not count. The store takes 10,000 parts; larger files get larger parts.
#define PART_BYTES (16ll * 1024 * 1024)
#define MAX_PARTS 10000
#define MAX_TRIES 3
#define BLOCK_BYTES (256 * 1024)
// Not a limit on work: only so that a dead connection ends at all.
#define EXCHANGE_LIMIT_US (6 * KN_HOUR)

static volatile sig_atomic_t is_stopped;

static void on_signal(int signal_number)
{
    (void)signal_number;
    is_stopped = 1;
}

static void signals_take(void)
{
    // A second Ctrl-C ends the program even when the other side is silent.
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static kn_code stopped(struct kn_error *err)
{
    return kn_fail_as(err, KN_ECANCELED, "Stopped", "stopped");
}

/* ---- what moves ---- */

struct moving {
    const char *name;      // for the bar
    int fd;                // borrowed
    int64_t at, end;       // in the file; end -1: unknown
    int64_t done, total;   // of the whole transfer; total -1: unknown
    uint64_t crc;
    int error_number;      // of the file
    const struct kn_http_exchange *exchange; // borrowed; what arrives with an error is no object
};

static void moved(struct moving *moving, const void *bytes, size_t n)
{
    moving->crc = kn_crc64(moving->crc, bytes, n);
    moving->at += (int64_t)n;
    moving->done += (int64_t)n;
    if (moving->total > 0 && moving->done < moving->total)
        kn_cli_progress(moving->name, (double)moving->done / (double)moving->total);
}

// For kn_http_exchange.read.
static size_t file_read(void *out, size_t n, void *context)
{
    struct moving *moving = context;
    int64_t left = moving->end - moving->at;
    if (is_stopped)
        return KN_HTTP_STOP;
    if (left <= 0)
        return 0;
    ssize_t got = pread(moving->fd, out, (int64_t)n < left ? n : (size_t)left, moving->at);
    if (got <= 0) {
        moving->error_number = got < 0 ? errno : EIO; // it became shorter meanwhile
        return KN_HTTP_STOP;
    }
    moved(moving, out, (size_t)got);
    return (size_t)got;
}

static bool file_write(const void *bytes, size_t n, void *context)
{
    struct moving *moving = context;
    struct kn_error err = {0};
    if (is_stopped)
        return false;
    if (moving->exchange->status >= 300)
        return true;
    if (kn_fs_write_all(moving->fd, bytes, n, &err) != KN_OK) {
        moving->error_number = errno ? errno : EIO;
        return false;
    }
    moved(moving, bytes, n);
    return true;
}

static kn_code crc_check(const struct kn_http_exchange *exchange, uint64_t crc, const char *name,
                         struct kn_error *err)
{
    char said[32];
    if (!kn_http_answer_header(exchange, "x-oss-hash-crc64ecma", said, sizeof(said)))
        return KN_OK; // an object that keeps none
    if (strtoull(said, NULL, 10) == crc)
        return KN_OK;
    return kn_fail_as(err, KN_EIO, "CrcMismatch",
                      "'%s' changed on its way: CRC-64 %" PRIu64 " here, %s there", name, crc,
                      said);
}

/* ---- up ---- */

static const char *content_type_of(const char *path)
{
    static const char *const types[][2] = {
        {".mp4", "video/mp4"},        {".mov", "video/quicktime"}, {".mkv", "video/x-matroska"},
        {".webm", "video/webm"},      {".flv", "video/x-flv"},     {".ts", "video/mp2t"},
        {".m4a", "audio/mp4"},        {".mp3", "audio/mpeg"},      {".wav", "audio/wav"},
        {".flac", "audio/flac"},      {".aac", "audio/aac"},       {".opus", "audio/ogg"},
        {".jpg", "image/jpeg"},       {".jpeg", "image/jpeg"},     {".png", "image/png"},
        {".gif", "image/gif"},        {".webp", "image/webp"},     {".srt", "application/x-subrip"},
        {".vtt", "text/vtt"},         {".json", "application/json"}, {".txt", "text/plain"},
        {".m3u8", "application/vnd.apple.mpegurl"}, {".mpd", "application/dash+xml"},
    };
    const char *dot = strrchr(kn_fs_name(path), '.');
    for (size_t i = 0; dot && i < KN_COUNT(types); i++)
        if (kn_equal_nocase(dot, types[i][0]))
            return types[i][1];
    return "application/octet-stream";
}

// Send [at, end) of the file with `object`; the ETag goes to `etag` unless NULL.
static kn_code range_put(struct kn_remote *remote, const struct kn_remote_object *object,
                         struct moving *moving, char *etag, size_t n_etag, struct kn_error *err)
{
    moving->crc = 0;
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {
        .read = file_read,
        .read_length = moving->end - moving->at,
        .read_context = moving,
        .timeout_us = EXCHANGE_LIMIT_US,
    };
    kn_code rc = kn_remote_object(remote, object, &exchange, err);
    if (is_stopped)
        return stopped(err);
    if (moving->error_number)
        return kn_fail_errno(err, moving->error_number, "cannot read '%s'", moving->name);
    if (rc != KN_OK)
        return rc;
    if (etag && !kn_http_answer_header(&exchange, "ETag", etag, n_etag))
        return kn_fail(err, KN_EIO, "the store gave a part no ETag");
    return crc_check(&exchange, moving->crc, moving->name, err);
}

struct upload {
    struct kn_remote *remote;     // borrowed
    const char *bucket, *key;     // borrowed
    const char *type;
    char id[128];
    int64_t part_bytes;           // of each part but the last
    bool keeps;                   // what was sent stays when the upload fails
    uint64_t crc;                 // of everything up to the part at hand
    json_t *sent;                 // owned: <Part> rows that an earlier run left; NULL: none
    struct kn_buf list;           // <Part> elements so far; owned
};

static void upload_clear(struct upload *upload)
{
    json_decref(upload->sent);
    kn_buf_clear(&upload->list);
    *upload = (struct upload){0};
}

static struct kn_remote_object upload_object(const struct upload *upload, const char *method,
                                             const char *subresources)
{
    return (struct kn_remote_object){.method = method,
                                     .bucket = upload->bucket,
                                     .key = upload->key,
                                     .subresources = subresources};
}

static kn_code upload_begin(struct upload *upload, struct kn_error *err)
{
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {0};
    struct kn_remote_object begin = upload_object(upload, "POST", "uploads");
    begin.content_type = upload->type;
    kn_code rc = kn_remote_object(upload->remote, &begin, &exchange, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_free) char *id = kn_xml_member(&exchange.answer, "UploadId");
    if (!id || !id[0] || !kn_copy(upload->id, sizeof(upload->id), id))
        return kn_fail(err, KN_EIO, "the store began no upload of '%s'", upload->key);
    return KN_OK;
}

// Take up an upload of this key that an earlier run left: its parts, and the size they had.
static kn_code upload_adopt(struct upload *upload, struct kn_error *err)
{
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange begun = {0}, parts = {0};
    kn_auto(kn_buf_clear) struct kn_buf query = {0};
    kn_buf_puts(&query, "prefix=");
    kn_percent(&query, upload->key, strlen(upload->key), false);
    const struct kn_remote_object list = {.method = "GET",
                                          .bucket = upload->bucket,
                                          .subresources = "uploads",
                                          .query = kn_buf_text(&query)};
    kn_code rc = kn_remote_object(upload->remote, &list, &begun, err);
    if (rc != KN_OK)
        return rc;
    json_auto_t *uploads = kn_xml_rows(&begun.answer, "Upload");
    size_t i;
    json_t *row;
    json_array_foreach(uploads, i, row) // the last one begun
        if (kn_equal(kn_json_get(row, "Key", ""), upload->key))
            (void)kn_copy(upload->id, sizeof(upload->id), kn_json_get(row, "UploadId", ""));
    if (!upload->id[0])
        return KN_OK;
    char sub[160];
    (void)snprintf(sub, sizeof(sub), "uploadId=%s", upload->id);
    const struct kn_remote_object look = upload_object(upload, "GET", sub);
    rc = kn_remote_object(upload->remote, &look, &parts, err);
    if (rc == KN_OK)
        upload->sent = kn_xml_rows(&parts.answer, "Part");
    if (json_array_size(upload->sent) > 0)
        (void)kn_parse_int(kn_json_get(json_array_get(upload->sent, 0), "Size", ""), 1, INT64_MAX,
                           &upload->part_bytes);
    return rc;
}

static void upload_abort(struct upload *upload)
{
    char sub[160];
    (void)snprintf(sub, sizeof(sub), "uploadId=%s", upload->id);
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {0};
    const struct kn_remote_object forget = upload_object(upload, "DELETE", sub);
    // Best effort: the store forgets it after its time.
    (void)kn_remote_object(upload->remote, &forget, &exchange, NULL);
}

static const json_t *part_sent(const struct upload *upload, int number)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", number);
    size_t i;
    json_t *row;
    json_array_foreach(upload->sent, i, row)
        if (kn_equal(kn_json_get(row, "PartNumber", ""), text))
            return row;
    return NULL;
}

// Read [at, end) of the file for its CRC-64, sending nothing.
static kn_code range_crc(struct moving *moving, int64_t at, int64_t end, uint64_t *out,
                         struct kn_error *err)
{
    kn_auto(kn_free) char *bytes = malloc(BLOCK_BYTES);
    if (!bytes)
        return kn_fail(err, KN_ENOMEM, "no memory to read '%s'", moving->name);
    for (*out = 0; at < end && !is_stopped;) {
        size_t want = end - at < BLOCK_BYTES ? (size_t)(end - at) : BLOCK_BYTES;
        ssize_t got = pread(moving->fd, bytes, want, at);
        if (got <= 0)
            return kn_fail_errno(err, got < 0 ? errno : EIO, "cannot read '%s'", moving->name);
        *out = kn_crc64(*out, bytes, (size_t)got);
        at += got;
    }
    return is_stopped ? stopped(err) : KN_OK;
}

// Whether the store has this part of this file already.
static kn_code part_check(struct upload *upload, const json_t *row, struct moving *moving,
                          int64_t at, int64_t end, bool *out_is_same, struct kn_error *err)
{
    int64_t size = -1;
    *out_is_same = false;
    (void)kn_parse_int(kn_json_get(row, "Size", ""), 0, INT64_MAX, &size);
    if (size != end - at)
        return KN_OK;
    uint64_t crc = 0;
    kn_code rc = range_crc(moving, at, end, &crc, err);
    if (rc != KN_OK || strtoull(kn_json_get(row, "HashCrc64ecma", "0"), NULL, 10) != crc)
        return rc;
    *out_is_same = true;
    moving->done += size;
    upload->crc = kn_crc64_combine(upload->crc, crc, (uint64_t)size);
    return KN_OK;
}

static kn_code part_put(struct upload *upload, int number, struct moving *moving, int64_t at,
                        int64_t end, char *etag, size_t n_etag, struct kn_error *err)
{
    char sub[192];
    (void)snprintf(sub, sizeof(sub), "partNumber=%d&uploadId=%s", number, upload->id);
    const struct kn_remote_object part = upload_object(upload, "PUT", sub);
    int64_t before = moving->done;
    kn_code rc = KN_EIO;
    for (int i = 0; i < MAX_TRIES && kn_code_is_retryable(rc) && !moving->error_number; i++) {
        kn_sleep_us(i * KN_SECOND);
        moving->done = before; // what a failed try had counted
        moving->at = at;
        moving->end = end;
        rc = range_put(upload->remote, &part, moving, etag, n_etag, err);
    }
    if (rc == KN_OK)
        upload->crc = kn_crc64_combine(upload->crc, moving->crc, (uint64_t)(end - at));
    return rc;
}

static kn_code part_move(struct upload *upload, int number, struct moving *moving,
                         struct kn_error *err)
{
    int64_t at = (number - 1) * upload->part_bytes;
    int64_t end = moving->total - at < upload->part_bytes ? moving->total : at + upload->part_bytes;
    char etag[128] = "";
    bool is_there = false;
    kn_code rc = KN_OK;
    const json_t *row = part_sent(upload, number);
    if (row)
        rc = part_check(upload, row, moving, at, end, &is_there, err);
    if (rc == KN_OK && is_there)
        (void)kn_copy(etag, sizeof(etag), kn_json_get(row, "ETag", ""));
    else if (rc == KN_OK)
        rc = part_put(upload, number, moving, at, end, etag, sizeof(etag), err);
    if (rc == KN_OK)
        kn_buf_printf(&upload->list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>",
                      number, etag);
    return rc;
}

static kn_code upload_complete(struct upload *upload, const char *name, struct kn_error *err)
{
    char sub[160];
    (void)snprintf(sub, sizeof(sub), "uploadId=%s", upload->id);
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    kn_buf_printf(&body, "<CompleteMultipartUpload>%s</CompleteMultipartUpload>",
                  kn_buf_text(&upload->list));
    if (!kn_buf_ok(&body) || !kn_buf_ok(&upload->list))
        return kn_fail(err, KN_ENOMEM, "no memory for the list of parts");
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {
        .body = kn_buf_text(&body), .n_body = body.len, .timeout_us = 10 * KN_MINUTE};
    struct kn_remote_object complete = upload_object(upload, "POST", sub);
    complete.content_type = "application/xml";
    kn_code rc = kn_remote_object(upload->remote, &complete, &exchange, err);
    return rc == KN_OK ? crc_check(&exchange, upload->crc, name, err) : rc;
}

static kn_code upload_in_parts(struct upload *upload, struct moving *moving, struct kn_error *err)
{
    upload->part_bytes = PART_BYTES;
    while (upload->part_bytes * MAX_PARTS < moving->total)
        upload->part_bytes *= 2;
    kn_code rc = upload->keeps ? upload_adopt(upload, err) : KN_OK;
    if (rc == KN_OK && !upload->id[0])
        rc = upload_begin(upload, err);
    if (rc != KN_OK)
        return rc;
    int64_t n_parts = (moving->total + upload->part_bytes - 1) / upload->part_bytes;
    if (n_parts > MAX_PARTS)
        rc = kn_fail(err, KN_ECONFLICT, "an upload of another '%s' is under way", upload->key);
    for (int number = 1; rc == KN_OK && number <= n_parts; number++)
        rc = part_move(upload, number, moving, err);
    if (rc == KN_OK)
        rc = upload_complete(upload, moving->name, err);
    if (rc != KN_OK && !upload->keeps)
        upload_abort(upload);
    return rc;
}

kn_code kn_transfer_upload(struct kn_remote *remote, const char *path, const char *bucket,
                           const char *key, bool resumes, struct kn_error *err)
{
    signals_take();
    kn_auto(kn_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return kn_fail_errno(err, errno, "cannot open '%s'", path);
    if (!S_ISREG(st.st_mode))
        return kn_fail(err, KN_EINVAL, "'%s' is no file", path);
    struct moving moving = {.name = kn_fs_name(path), .fd = fd, .end = st.st_size,
                            .total = st.st_size};
    kn_auto(upload_clear) struct upload upload = {.remote = remote,
                                                  .bucket = bucket,
                                                  .key = key,
                                                  .type = content_type_of(path),
                                                  .keeps = resumes};
    struct kn_remote_object whole = upload_object(&upload, "PUT", NULL);
    whole.content_type = upload.type;
    kn_code rc = st.st_size > PART_BYTES ? upload_in_parts(&upload, &moving, err)
                                         : range_put(remote, &whole, &moving, NULL, 0, err);
    if (rc == KN_OK)
        kn_cli_progress(moving.name, 1.0);
    return rc;
}

/* ---- down ---- */

static kn_code size_find(struct kn_remote *remote, const char *bucket, const char *key,
                         int64_t *out_size, struct kn_error *err)
{
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {0};
    char length[32];
    kn_code rc = kn_remote_object(
        remote, &(struct kn_remote_object){.method = "HEAD", .bucket = bucket, .key = key},
        &exchange, err);
    if (rc == KN_ENOTFOUND) // a HEAD has no body to say what is missing
        return kn_fail(err, KN_ENOTFOUND, "there is no 'oss://%s/%s'", bucket, key);
    *out_size = -1;
    if (rc == KN_OK && kn_http_answer_header(&exchange, "Content-Length", length, sizeof(length)))
        (void)kn_parse_int(length, 0, INT64_MAX, out_size);
    return rc;
}

// What an earlier run left of the object: its CRC-64 goes on from there.
static kn_code download_adopt(struct moving *moving, struct kn_error *err)
{
    struct stat st;
    if (fstat(moving->fd, &st) != 0)
        return kn_fail_errno(err, errno, "cannot read '%s'", moving->name);
    if (st.st_size >= moving->total && ftruncate(moving->fd, st.st_size = 0) != 0)
        return kn_fail_errno(err, errno, "cannot empty '%s'", moving->name);
    kn_code rc = range_crc(moving, 0, st.st_size, &moving->crc, err);
    moving->done = st.st_size;
    if (rc == KN_OK && lseek(moving->fd, 0, SEEK_END) < 0)
        return kn_fail_errno(err, errno, "cannot read '%s'", moving->name);
    return rc;
}

static kn_code get_into(struct kn_remote *remote, const char *bucket, const char *key,
                        struct moving *moving, struct kn_error *err)
{
    char range[48] = "";
    if (moving->done > 0)
        (void)snprintf(range, sizeof(range), "bytes=%" PRId64 "-", moving->done);
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {
        .write = file_write, .write_context = moving, .timeout_us = EXCHANGE_LIMIT_US};
    moving->exchange = &exchange;
    kn_code rc = kn_remote_object(remote,
                                  &(struct kn_remote_object){.method = "GET",
                                                             .bucket = bucket,
                                                             .key = key,
                                                             .range = range[0] ? range : NULL},
                                  &exchange, err);
    if (is_stopped)
        return stopped(err);
    if (moving->error_number)
        return kn_fail_errno(err, moving->error_number, "cannot write '%s'", moving->name);
    if (rc == KN_OK && moving->total >= 0 && moving->done != moving->total)
        return kn_fail(err, KN_EIO, "'%s' ended early: %" PRId64 " of %" PRId64 " bytes",
                       moving->name, moving->done, moving->total);
    return rc == KN_OK ? crc_check(&exchange, moving->crc, moving->name, err) : rc;
}

// "film.mp4.part" when it is to be found again, else a name of this process alone.
static char *part_name(const char *path, bool resumes)
{
    char *name = NULL;
    int n = resumes ? asprintf(&name, "%s.part", path)
                    : asprintf(&name, "%s.%d.part", path, (int)getpid());
    return n < 0 ? NULL : name;
}

kn_code kn_transfer_download(struct kn_remote *remote, const char *bucket, const char *key,
                             const char *path, bool resumes, struct kn_error *err)
{
    signals_take();
    struct moving moving = {.name = kn_fs_name(path), .end = -1};
    kn_code rc = size_find(remote, bucket, key, &moving.total, err);
    kn_auto(kn_free) char *temporary = part_name(path, resumes);
    if (!temporary)
        return kn_fail(err, KN_ENOMEM, "no memory for a path");
    if (rc == KN_OK)
        rc = kn_fs_make_parents(path, 0777, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_close_fd) int fd =
        open(temporary, O_RDWR | O_CREAT | O_CLOEXEC | (resumes ? 0 : O_EXCL), 0666);
    if (fd < 0)
        return kn_fail_errno(err, errno, "cannot write '%s'", temporary);
    moving.fd = fd;
    rc = resumes ? download_adopt(&moving, err) : KN_OK;
    bool was_begun = moving.done > 0;
    if (rc == KN_OK)
        rc = get_into(remote, bucket, key, &moving, err);
    if (rc == KN_OK && fsync(fd) != 0)
        rc = kn_fail_errno(err, errno, "cannot write '%s'", path);
    if (rc == KN_OK && rename(temporary, path) != 0)
        rc = kn_fail_errno(err, errno, "cannot name '%s'", path);
    // What is whole and yet wrong is of no use to the next run either.
    bool is_wrong = rc != KN_OK && kn_equal(err->reason, "CrcMismatch");
    if (rc != KN_OK && (!resumes || is_wrong))
        (void)unlink(temporary); // best effort: the first failure is the one to tell
    if (is_wrong && was_begun)
        return kn_error_prefix(err, "what an earlier run left was of another object, get it again");
    if (rc == KN_OK)
        kn_cli_progress(moving.name, 1.0);
    return rc;
}

/* ---- across ---- */

kn_code kn_transfer_copy(struct kn_remote *remote, const char *from_bucket, const char *from_key,
                         const char *bucket, const char *key, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf source = {0};
    kn_buf_printf(&source, "/%s/", from_bucket);
    kn_percent(&source, from_key, strlen(from_key), true);
    if (!kn_buf_ok(&source))
        return kn_fail(err, KN_ENOMEM, "no memory for a name");
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {0};
    return kn_remote_object(remote,
                            &(struct kn_remote_object){.method = "PUT",
                                                       .bucket = bucket,
                                                       .key = key,
                                                       .copy_source = kn_buf_text(&source)},
                            &exchange, err);
}
