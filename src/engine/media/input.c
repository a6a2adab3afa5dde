/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An AVIOContext over kn_source_read_at(). libavformat's own protocols are never asked: its
 * whitelist names none that it could open, and io_open is ours.
 *
 * FFmpeg 5.1's HLS demuxer looks at the protocol name of every address and knows http, https and
 * file; `oss://bucket/key` is shown to it as http://<token>.invalid/bucket/key (RFC 2606: a name that
 * can never exist) and turned back when it asks for a segment. The token is random, so that no
 * playlist can write down an address that turns into an object.
 */
#include "engine/media/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/opt.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/strings.h"
#include "base/time.h"
#include "engine/media/aes_source.h"
#include "engine/media/av_error.h"

// A local read is a system call: 64 KiB make their cost vanish. Other sources are a message to the
// supervisor away; a quarter of its 1 MiB cache block keeps seeks cheap.
#define LOCAL_BUFFER (64 * 1024)
#define REMOTE_BUFFER (256 * 1024)
// As engine/media/probe: one figure keeps the time to open a file predictable.
#define ANALYZE_US (30 * KN_SECOND)

/* ---- one source as an AVIOContext ---- */
struct reader {
    struct kn_source *source; // owned
    struct kn_input *input;   // borrowed: for `stop` and the last error
    int64_t at;
};

static int reader_read(void *opaque, uint8_t *out, int n)
{
    struct reader *r = opaque;
    const atomic_bool *stop = r->input->env.stop;
    if (stop && atomic_load_explicit(stop, memory_order_relaxed))
        return AVERROR_EXIT;
    size_t got = 0;
    if (kn_source_read_at(r->source, r->at, out, (size_t)n, &got, &r->input->io_error) != KN_OK)
        return AVERROR(EIO);
    r->at += (int64_t)got;
    return got ? (int)got : AVERROR_EOF;
}

static int64_t reader_seek(void *opaque, int64_t offset, int whence)
{
    struct reader *r = opaque;
    const int64_t size = r->source->size_bytes;
    switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE: return size >= 0 ? size : AVERROR(ENOSYS);
    case SEEK_SET: break;
    case SEEK_CUR: offset += r->at; break;
    case SEEK_END:
        if (size < 0)
            return AVERROR(ENOSYS);
        offset += size;
        break;
    default: return AVERROR(EINVAL);
    }
    if (offset < 0)
        return AVERROR(EINVAL);
    return r->at = offset;
}

static void reader_close(AVIOContext **io)
{
    if (!*io)
        return;
    struct reader *r = (*io)->opaque;
    av_freep(&(*io)->buffer);
    avio_context_free(io);
    kn_source_free(&r->source);
    free(r);
}

// Takes the source, also on failure.
static AVIOContext *reader_open(struct kn_input *input, struct kn_source *source)
{
    const int size = source->fd >= 0 ? LOCAL_BUFFER : REMOTE_BUFFER;
    struct reader *r = calloc(1, sizeof(*r));
    uint8_t *buffer = av_malloc((size_t)size);
    AVIOContext *io = r && buffer
        ? avio_alloc_context(buffer, size, 0, r, reader_read, NULL, reader_seek) : NULL;
    if (!io) {
        av_free(buffer);
        free(r);
        kn_source_free(&source);
        return NULL;
    }
    *r = (struct reader){.source = source, .input = input};
    return io;
}

/* ---- addresses as libavformat sees them ---- */
static void stand_in_make(struct kn_input *input)
{
    char token[KN_ID_SIZE];
    kn_id_hex(token);
    (void)snprintf(input->stand_in, sizeof(input->stand_in), "http://%s.invalid/", token);
}

static char *shown_address(const struct kn_input *input)
{
    struct kn_buf b = {0};
    if (!kn_starts_with(input->uri, "oss://")) {
        kn_buf_puts(&b, input->uri);
        return kn_buf_take(&b);
    }
    kn_buf_puts(&b, input->stand_in);
    const char *path = input->uri + strlen("oss://");
    kn_percent(&b, path, strlen(path), true);
    return kn_buf_take(&b);
}

static char *real_address(const struct kn_input *input, const char *shown)
{
    struct kn_buf b = {0};
    if (!kn_starts_with(shown, input->stand_in)) {
        kn_buf_puts(&b, kn_starts_with(shown, "file:") ? shown + strlen("file:") : shown);
        return kn_buf_take(&b);
    }
    kn_buf_puts(&b, "oss://");
    const char *path = shown + strlen(input->stand_in);
    if (!kn_unpercent(&b, path, strcspn(path, "?#"), false))
        kn_buf_clear(&b);
    return kn_buf_take(&b);
}

bool kn_input_may_refer(const char *playlist, const char *uri)
{
    if (kn_starts_with(uri, "http://") || kn_starts_with(uri, "https://"))
        return true;
    if (kn_starts_with(playlist, "oss://")) {
        const size_t n_root = strlen("oss://") + strcspn(playlist + strlen("oss://"), "/") + 1;
        return strncmp(playlist, uri, n_root) == 0;
    }
    if (strstr(playlist, "://") || strstr(uri, "://"))
        return false;
    const char *slash = strrchr(playlist, '/');
    const size_t n_folder = slash ? (size_t)(slash + 1 - playlist) : 0;
    const char *below = uri + n_folder;
    return strncmp(playlist, uri, n_folder) == 0 && below[0] != '/' && !kn_starts_with(below, "../") &&
           !strstr(below, "/../");
}

/* ---- what playlists open ---- */
static int64_t option_number(AVDictionary *options, const char *name, int64_t otherwise)
{
    const AVDictionaryEntry *entry = av_dict_get(options, name, NULL, 0);
    return entry ? strtoll(entry->value, NULL, 10) : otherwise;
}

static bool option_block(unsigned char out[KN_AES_BLOCK], AVDictionary *options, const char *name)
{
    const AVDictionaryEntry *entry = av_dict_get(options, name, NULL, 0);
    return entry && strlen(entry->value) == 2 * KN_AES_BLOCK && kn_unhex(out, KN_AES_BLOCK, entry->value);
}

// The HLS demuxer asks for a segment in AES-128 as "crypto+ADDRESS" or "crypto:PATH", with its key.
static kn_code decrypted(struct kn_source **source, AVDictionary *options, struct kn_error *err)
{
    struct kn_aes_span span = {.start = option_number(options, "offset", 0),
                               .end = option_number(options, "end_offset", -1)};
    if (!option_block(span.key, options, "key") || !option_block(span.iv, options, "iv"))
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "'%s' is encrypted, and its key is not 16 bytes",
                          (*source)->uri);
    return kn_aes_source_new(source, KN_TAKE(*source), &span, err);
}

static int nested_open(AVFormatContext *format, AVIOContext **out, const char *url, int flags,
                       AVDictionary **options)
{
    struct kn_input *input = format->opaque;
    if (flags & AVIO_FLAG_WRITE)
        return AVERROR(EACCES);
    const bool is_encrypted = kn_starts_with(url, "crypto+") || kn_starts_with(url, "crypto:");
    const char *shown = is_encrypted ? url + strlen("crypto+") : url;
    kn_auto(kn_free) char *uri = real_address(input, shown);
    if (!uri)
        return AVERROR(EINVAL);
    if (!kn_input_may_refer(input->uri, uri)) {
        kn_fail_as(&input->io_error, KN_EMEDIA, "ResourceContentBad",
                   "the playlist '%s' names '%.200s', and may name only what lies beside it and "
                   "http(s) addresses", input->uri, uri);
        return AVERROR(EACCES);
    }
    kn_auto(kn_source_free) struct kn_source *source = NULL;
    if (input->env.open(input->env.impl, uri, &source, &input->io_error) != KN_OK ||
        (is_encrypted && decrypted(&source, *options, &input->io_error) != KN_OK))
        return AVERROR(EIO);
    *out = reader_open(input, KN_TAKE(source));
    if (!*out)
        return AVERROR(ENOMEM);
    // The demuxer seeks to where a part of a file begins by itself, but leaves it to HTTP.
    if (kn_starts_with(shown, "http"))
        ((struct reader *)(*out)->opaque)->at = option_number(*options, "offset", 0);
    return 0;
}

static int nested_close(AVFormatContext *format, AVIOContext *io)
{
    (void)format;
    reader_close(&io);
    return 0;
}

static int interrupted(void *opaque)
{
    const atomic_bool *stop = ((struct kn_input *)opaque)->env.stop;
    return stop && atomic_load_explicit(stop, memory_order_relaxed);
}

/* ---- the input ---- */
kn_code kn_input_fail(struct kn_input *input, struct kn_error *err, int av, const char *what)
{
    if (av != AVERROR_EXIT && input->io_error.code != KN_OK) {
        if (err)
            *err = input->io_error;
        return input->io_error.code;
    }
    const kn_code rc = kn_av_fail(err, av, "cannot %s '%s'", what, input->uri);
    if (rc == KN_EMEDIA && err)
        (void)kn_copy(err->reason, sizeof(err->reason), "ResourceContentBad");
    return rc;
}

// The commonest files say in their first bytes what they are; asking each of 300 demuxers to guess is a
// good part of a tiny job. NULL: ask them.
static const AVInputFormat *format_of(AVIOContext *io)
{
    uint8_t head[12] = {0};
    const bool is_read = avio_read(io, head, sizeof(head)) == sizeof(head);
    if (avio_seek(io, 0, SEEK_SET) != 0 || !is_read)
        return NULL;
    if (memcmp(head, "\x1a\x45\xdf\xa3", 4) == 0) // EBML
        return av_find_input_format("matroska");
    // JPEG 2000 and JPEG XL begin like MP4, with brands of their own.
    if (memcmp(head + 4, "ftyp", 4) == 0 && head[8] != 'j')
        return av_find_input_format("mp4");
    return NULL;
}

static kn_code input_open_format(struct kn_input *input, struct kn_error *err)
{
    AVFormatContext *format = avformat_alloc_context();
    kn_auto(kn_free) char *shown = shown_address(input);
    if (!format || !shown) {
        avformat_free_context(format);
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", input->uri);
    }
    format->pb = input->io;
    format->opaque = input;
    format->io_open = nested_open;
    format->io_close2 = nested_close;
    format->interrupt_callback = (AVIOInterruptCB){interrupted, input};
    format->max_analyze_duration = ANALYZE_US;
    format->flags |= AVFMT_FLAG_GENPTS;

    AVDictionary *options = NULL;
    av_dict_set(&options, "protocol_whitelist", "http,https,file,crypto,data", 0);
    av_dict_set(&options, "http_persistent", "0", 0); // HLS: aborts under our io_open otherwise
    av_dict_set(&options, "allowed_extensions", "ALL", 0); // HLS: keys too; may_refer() has the rules
    // Frees `format` on failure.
    int av = avformat_open_input(&format, shown, format_of(input->io), &options);
    av_dict_free(&options);
    if (av < 0)
        return kn_input_fail(input, err, av, "open");
    input->format = format;

    av = input->env.is_known ? 0 : avformat_find_stream_info(format, NULL);
    if (av < 0)
        return kn_input_fail(input, err, av, "read the headers of");
    if (format->nb_streams == 0)
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "no tracks in '%s'", input->uri);
    return KN_OK;
}

kn_code kn_input_open(struct kn_input **out_input, const char *uri,
                      const struct kn_input_env *env, struct kn_error *err)
{
    kn_auto(kn_input_free) struct kn_input *input = calloc(1, sizeof(*input));
    if (!input || !(input->uri = strdup(uri)))
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", uri);
    input->env = *env;
    stand_in_make(input);
    struct kn_source *source = NULL;
    kn_code rc = env->open(env->impl, uri, &source, err);
    if (rc != KN_OK)
        return rc;
    input->size_bytes = source->size_bytes;
    (void)kn_copy(input->identity, sizeof(input->identity), source->identity);
    if (source->size_bytes == 0) {
        kn_source_free(&source);
        return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "'%s' is empty", uri);
    }
    input->io = reader_open(input, source);
    if (!input->io)
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", uri);
    rc = input_open_format(input, err);
    if (rc != KN_OK)
        return rc;
    *out_input = KN_TAKE(input);
    return KN_OK;
}

void kn_input_free(struct kn_input **input)
{
    struct kn_input *in = *input;
    if (!in)
        return;
    avformat_close_input(&in->format);
    reader_close(&in->io);
    free(in->uri);
    free(in);
    *input = NULL;
}

/* ---- what it holds ---- */
int64_t kn_input_start_us(const struct kn_input *input)
{
    return input->format->start_time == AV_NOPTS_VALUE ? 0 : input->format->start_time;
}

int64_t kn_input_duration_us(const struct kn_input *input)
{
    return input->format->duration == AV_NOPTS_VALUE ? KN_NO_TIME : input->format->duration;
}

AVStream *kn_input_stream(const struct kn_input *input, enum AVMediaType kind, int nth)
{
    for (unsigned i = 0; i < input->format->nb_streams; i++) {
        AVStream *st = input->format->streams[i];
        if (st->codecpar->codec_type == kind && !(st->disposition & AV_DISPOSITION_ATTACHED_PIC) &&
            nth-- == 0)
            return st;
    }
    return NULL;
}

const char *kn_input_language(const AVStream *stream)
{
    const AVDictionaryEntry *tag = av_dict_get(stream->metadata, "language", NULL, 0);
    return tag && tag->value[0] && !kn_equal_nocase(tag->value, "und") ? tag->value : NULL;
}

int64_t kn_input_stream_duration_us(const struct kn_input *input, const AVStream *stream)
{
    if (stream->duration != AV_NOPTS_VALUE && stream->duration > 0)
        return av_rescale_q(stream->duration, stream->time_base, AV_TIME_BASE_Q);
    return kn_input_duration_us(input);
}
