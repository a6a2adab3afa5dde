#pragma once
/*
 * A running conversion: the parts and which thread owns what. Private to the run.
 *
 *     input ── demux ──┬─ feed (video) ── decode ──┬─ channel ─ video rendition ── mux ── output A
 *                      │                           └─ channel ─ video rendition ── mux ── output B
 *                      ├─ feed (audio) ── decode ──── audio rendition ──────────┬─ mux A
 *                      │                                                        └─ mux B
 *                      └─ feed (captions) ───────────── packets ─────────────────  mux A
 *
 * One thread per demux, per feed, per video rendition. A rendition that two outputs ask for in the
 * same form is encoded once. An output that fails stops its mux; the others go on. A failing input
 * stops everything.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/channel.h"
#include "engine/media/decode.h"
#include "engine/media/demux.h"
#include "engine/media/encode.h"
#include "engine/media/graph.h"
#include "engine/media/input.h"
#include "engine/media/mux.h"
#include "engine/media/segments.h"
#include "engine/media/packet_log.h"
#include "features/context.h"
#include "features/convert/audio_plan.h"
#include "features/convert/captions.h"
#include "features/convert/convert_spec.h"
#include "features/convert/manifest.h"
#include "features/convert/mix.h"
#include "features/convert/timeline.h"
#include "features/convert/video_plan.h"
#include "features/convert/watermark.h"

/* What a segmented output adds to a manifest: one playlist's worth. In the run's arena. */
struct kn_output_rendition {
    enum kn_rendition kind;
    const char *name;                // "eng", "eng 2"; unique among the output's of its kind
    bool is_forced;                  // captions
    struct kn_rendition_facts facts; // facts.uri: its media playlist
    struct kn_dash_track dash;
};

struct kn_more_video {
    struct kn_video_plan plan;
    int nth;
};

struct kn_output_run {
    struct kn_run *run;                   // borrowed
    const struct kn_convert_output *spec; // borrowed
    int group;                            // -1: the flat form
    struct kn_timeline timeline;
    int64_t duration_us; // expected; KN_NO_TIME
    uint64_t copied;     // a bit for each track whose packets are copied as they are
    struct kn_video_plan video; // when has_video
    bool has_video;
    int video_nth;              // which of the input's video streams
    struct kn_more_video *more_videos; // in the run's arena: other angles, tracks of their own
    int n_more_videos;
    struct kn_sink *sink;         // owned
    struct kn_mux *mux;           // owned; NULL when there are caption files alone
    struct kn_caption_file *caption_files; // in the run's arena
    int n_caption_files;
    struct kn_output_rendition *renditions; // in the run's arena; of segmented outputs, when done
    int n_renditions;
    json_t *notes;                // owned: array of sentences
    json_t *meta;                 // owned: OutFileMeta; NULL until checked
    json_t *part_metas;           // owned: of segmented outputs, by the number of a set's first track
    int64_t text_bytes;           // of playlists, manifests and captions beside the segments
    // Pictures an earlier attempt encoded: taken over, and encoded once more.
    int64_t n_kept, n_repeated;
    int64_t n_encoded;
    pthread_mutex_t lock;
    // --- protected by lock
    struct kn_error error;
};

/* The first failure of an output counts; its mux stops. */
void kn_output_fail(struct kn_output_run *output, const struct kn_error *err);
bool kn_output_has_failed(struct kn_output_run *output);

/* A track of an output that a rendition or a copy fills. */
struct kn_target {
    struct kn_output_run *output; // borrowed
    int track;
    // Of the feeding thread:
    bool is_done;     // nothing more is wanted
    int span;         // of copied pictures: the span of the timeline they are in
    bool has_begun;   // its first key frame has come
    int64_t begin_us; // then: when it is shown, in the inputs' time
};

#define KN_MAX_FEEDS 256 // streams that are read at once: every track of every input of a large job
#define KN_MAX_TARGETS 16 // outputs that share one rendition

struct kn_video_rendition {
    struct kn_run *run;
    struct kn_target target;
    const struct kn_video_plan *plan; // borrowed from the output
    struct kn_channel *channel;       // owned: AVFrame*
    pthread_t thread;
    bool has_thread;
    int pass;                     // 0, 1 or 2
    struct kn_watermarks marks;   // owned
    // The thread's own:
    struct kn_graph *graph;       // owned
    struct kn_encoder *encoder;   // owned
    AVFrame *like;                // owned: what the graph was made for
    AVFrame *shown;               // owned: the last picture, where holes are filled with it; NULL
    AVRational time_base;         // of the encoder
    int64_t last_pts;             // in time_base
    int64_t phase_us;             // how far after the grid's first tick the first picture came
    int64_t end_us;               // where the last picture ends
    struct kn_cutter cutter;      // where segments, and so key frames, begin
    int64_t durations[256][2];    // ring: pts and duration of frames inside the encoder
    unsigned n_durations;
    AVPacket *held;               // owned: the last packet; only then its length is known
    int64_t first_dts, last_dts;  // in time_base
    struct kn_packet_log *log;    // owned; NULL: nothing is kept for another attempt
    // Set before the thread starts: pictures of the inputs' time before this were encoded by an
    // earlier attempt. INT64_MIN: none were.
    int64_t resume_us;
};

struct kn_audio_rendition {
    struct kn_run *run;
    struct kn_audio_plan plan;
    struct kn_convert_volume volume; // for telling equal renditions
    struct kn_timeline timeline;
    bool global_header;
    struct kn_target targets[KN_MAX_TARGETS];
    int n_targets;
    struct kn_graph *graph;     // owned
    struct kn_encoder *encoder; // owned
    AVFrame *like;              // owned
    struct kn_mix *mix;         // in the run's arena: takes the samples in place of the encoder; NULL
    int lane;                   // of the mix
    int64_t next_in;            // where the next sample in belongs, in samples of the source
    int64_t next_out;           // the next sample out
};

#define KN_MAX_RENDITIONS 64

struct kn_feed_part {
    int input;
    int stream;
};

/* One stream of the joined inputs (or of one other input), read once for all who want it. */
struct kn_feed {
    struct kn_run *run;
    enum AVMediaType kind;
    struct kn_feed_part *parts; // in the run's arena
    int n_parts;
    struct kn_video_rendition *videos[KN_MAX_RENDITIONS];
    int n_videos;
    struct kn_audio_rendition *audios[KN_MAX_RENDITIONS];
    int n_audios;
    struct kn_target copies[KN_MAX_RENDITIONS];
    int n_copies;
    struct kn_caption_rendition *captions[KN_MAX_RENDITIONS];
    int n_captions;
    pthread_t thread;
    bool has_thread;
    int64_t copy_end_us; // where the last copied packet ends
    int n_undated;       // pictures of this part so far, none of which said when it is decoded; -1: one did
    int64_t undated_pts; // of the first of them
    // While pictures are not yet needed: packets since the last key frame but one, in case they are.
    int64_t skip_us;     // all before is needed by nobody; INT64_MIN: all is needed
    AVPacket **skipped;  // owned
    size_t n_skipped, max_skipped, last_key;
    int64_t skipped_bytes;
};

struct kn_input_run {
    struct kn_input *input; // owned; NULL when nobody uses it
    struct kn_demux *demux; // owned
    int64_t origin_us;      // the file's time that counts as 0
    int64_t offset_us;      // where it begins in the joined time
    int64_t duration_us;    // KN_NO_TIME when unknown
    int64_t end_us;         // in the joined time: nothing after it is shown; INT64_MAX: all is read
    atomic_int_fast64_t n_hurt; // packets and frames that showed damage
    // --- protected by the run's lock: how much of the file was read, by feeds that read to its end
    int64_t read_us;
    int n_read;
};

struct kn_run {
    struct kn_context *context;         // borrowed
    const struct kn_convert_spec *spec; // borrowed
    struct kn_arena arena;
    struct kn_input_run *inputs; // in the arena
    struct kn_output_run *outputs; // in the arena; groups' first, then flat ones
    int n_outputs;
    struct kn_feed *feeds[KN_MAX_FEEDS]; // in the arena
    int n_feeds;
    struct kn_mix *mixes;        // a list in the arena
    struct kn_measured *measured; // in the arena: loudness that was measured (measure.h)
    int pass; // 0: the only one; 1: statistics; 2
    atomic_bool stop;
    pthread_mutex_t open_lock; // around the context's opening calls, which want one thread at a time
    pthread_mutex_t lock;
    pthread_cond_t changed;
    // --- protected by lock
    int n_running;         // threads
    struct kn_error error; // of an input: it fails everything
};

/* The context's opening calls, from any thread; `impl` is the run. */
kn_code kn_run_open_source(void *impl, const char *uri, struct kn_source **out, struct kn_error *err);
kn_code kn_run_open_sink(void *impl, const char *uri, struct kn_sink **out, struct kn_error *err);

/* Whether an input is one of those that are shown one after the other. */
bool kn_run_is_joined(const struct kn_run *run, int input);
/* The nth stream of a kind that a conversion may use; NULL: there is none, or it is disabled. */
const AVStream *kn_run_stream(const struct kn_run *run, int input, enum AVMediaType kind, int nth);
/*
 * The numbers of the streams that are chosen and there, in `nths`, which has room for as many as the input has
 * streams; how many. A choice that was not given is the first.
 */
int kn_run_choose(const struct kn_run *run, int input, enum AVMediaType kind, const struct kn_convert_choice *choice,
                  int *nths);
/*
 * Where `st` of `input` goes on: the streams of its kind with the same number in all joined inputs, in their
 * order, or itself alone. `parts` has room for one per input; how many there are.
 */
int kn_run_parts(const struct kn_run *run, int input, const AVStream *st, struct kn_feed_part *parts);

/* An input failed, or we were asked to stop: all ends. */
void kn_run_fail(struct kn_run *run, const struct kn_error *err);
/* A thread begins and ends. */
kn_code kn_run_thread(struct kn_run *run, pthread_t *thread, void *(*body)(void *), void *arg,
                      const char *name, struct kn_error *err);
void kn_run_thread_done(struct kn_run *run);
/* Wait for all threads, reporting progress and asking whether to stop. */
void kn_run_wait(struct kn_run *run);
/* Wake every thread that waits for another. */
void kn_run_stop(struct kn_run *run);

/* ---- renditions ---- */
/* Frames (moved away) with pts in microseconds of the inputs' time. */
kn_code kn_video_rendition_start(struct kn_video_rendition *r, struct kn_error *err);
void kn_video_rendition_clear(struct kn_video_rendition *r); // after its thread has ended

kn_code kn_audio_rendition_frame(struct kn_audio_rendition *r, AVFrame *frame, struct kn_error *err);
kn_code kn_audio_rendition_end(struct kn_audio_rendition *r, struct kn_error *err);
void kn_audio_rendition_clear(struct kn_audio_rendition *r);

/* ---- feeds ---- */
kn_code kn_feed_start(struct kn_feed *feed, struct kn_error *err);
/* KN_EMEDIA when a file holds much less than it says: it was cut off on its way here. */
kn_code kn_input_is_whole(const struct kn_input_run *in, int64_t said_us, int64_t got_us,
                          struct kn_error *err);
