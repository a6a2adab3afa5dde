#pragma once
/*
 * Input: a media file opened through libavformat, its bytes read from a kn_source.
 *
 * libavformat opens nothing by itself: what a playlist names comes back to `env->open`, so the rules
 * for addresses hold for segments, keys and nested playlists too. A playlist may name http(s) URLs
 * and what lies in its own bucket or, when it is a file itself (the command line), in its own folder
 * and below. An http(s) URL goes to `env->open` as it stands: it is outside, whatever its host.
 *
 * Thread-safety: one thread at a time; `env->stop` may be set by any.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "base/error.h"
#include "base/io.h"

struct kn_input_env {
    // Opens a URI as a source. `impl` is borrowed until kn_input_free().
    kn_code (*open)(void *impl, const char *uri, struct kn_source **out, struct kn_error *err);
    void *impl;
    const atomic_bool *stop; // borrowed, may be NULL: reading ends with KN_ECANCELED once true
    bool looks_everywhere; // engine/caption: what may begin late in a film is looked for in all of it
    bool is_known; // no packet is looked into beforehand: the caller knows what the tracks are
};

struct kn_input {
    AVFormatContext *format;  // owned
    char *uri;                // owned
    int64_t size_bytes;       // -1 when unknown
    char identity[96];        // of the source: changes when the content does; "" when unknown
    // Private: how bytes arrive.
    struct kn_input_env env;
    AVIOContext *io;          // owned, with its source
    char stand_in[64];        // how oss:// is shown to libavformat
    struct kn_error io_error; // why a read failed, in better words than libav's number
};

/*
 * Open `uri` and read its headers.
 *
 *   out_input  release with kn_input_free()
 *
 * KN_EMEDIA reason "ResourceContentBad": nothing in it can be read; else as env->open.
 */
kn_code kn_input_open(struct kn_input **out_input, const char *uri,
                      const struct kn_input_env *env, struct kn_error *err);
void kn_input_free(struct kn_input **input);

/* Whether a playlist may name `uri`, which has been resolved against it: the rules above. */
bool kn_input_may_refer(const char *playlist, const char *uri);

/* Fail because of `av`, preferring the reader's own words to libav's. */
kn_code kn_input_fail(struct kn_input *input, struct kn_error *err, int av, const char *what);

/* When the file's time begins: the least start of its tracks, in microseconds. */
int64_t kn_input_start_us(const struct kn_input *input);
/* How long it is, or KN_NO_TIME. */
int64_t kn_input_duration_us(const struct kn_input *input);
/* The nth stream of a kind that is not a cover picture, or NULL. Borrowed. */
AVStream *kn_input_stream(const struct kn_input *input, enum AVMediaType kind, int nth);
/* Its "language" tag, or NULL when there is none or it says "und". Borrowed. */
const char *kn_input_language(const AVStream *stream);
/* A stream's length, by itself or its file's, or KN_NO_TIME. */
int64_t kn_input_stream_duration_us(const struct kn_input *input, const AVStream *stream);
