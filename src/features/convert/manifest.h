#pragma once
/*
 * Manifests as text: HLS master and media playlists (RFC 8216), DASH MPD (ISO/IEC 23009-1), and the
 * rules for playlists that come in. Pure: a run gives what it measured of each rendition.
 *
 * Names inside a manifest are relative to it, so that a folder can be moved or served anywhere.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "features/convert/convert_spec.h"

/* ---- HLS: the master playlist ---- */
/* What a run knows of one rendition of a group; the wire's words are in struct kn_convert_hls. */
struct kn_rendition_facts {
    const char *uri;       // its media playlist; NULL: it failed, leave it out
    int64_t peak_bps;      // the largest segment's rate; 0 unknown
    int64_t average_bps;   // 0 unknown
    const char *codecs;    // RFC 6381 ("avc1.640020,mp4a.40.2"); NULL unknown
    int width_px, height_px;
    int fps_num, fps_den;
    int channels;
};

/* One EXT-X-MEDIA or EXT-X-STREAM-INF (also I-FRAME-STREAM-INF) of an existing master playlist. */
struct kn_master_entry {
    const char *tag;        // "EXT-X-MEDIA"
    const char *attributes; // as they stand, without URI="…"
    const char *uri;        // resolved against the playlist, canonical; NULL when it has none
    const char *type, *language, *name, *group; // of EXT-X-MEDIA; NULL when absent
};

struct kn_master {
    struct kn_arena arena; // owns everything below
    struct kn_master_entry *entries;
    int n_entries;
};

/*
 * Read a master playlist that lies at `uri`, for ManifestExtend.
 *
 *   master  filled on success; release with kn_master_clear(). Left empty on failure.
 * KN_EMEDIA  reason ResourceContentBad: no playlist, a media playlist, or a reference that
 *            kn_playlist_resolve() refuses
 */
kn_code kn_master_read(struct kn_master *master, const char *text, size_t n, const char *uri,
                       struct kn_error *err);
void kn_master_clear(struct kn_master *master);

/*
 * Append the group's master playlist: the entries of `extend` that no exclude holds for (may be
 * NULL), then the group's audio and subtitle renditions, then its streams.
 *
 *   facts  one per output of the group, in order
 * KN_EINVAL  reason NotSupported: something lies where no relative name reaches it
 */
kn_code kn_master_write(struct kn_buf *out, const struct kn_convert_group *group,
                        const struct kn_rendition_facts *facts, const struct kn_master *extend,
                        struct kn_error *err);

/* ---- HLS: media playlists ---- */
struct kn_manifest_segment {
    const char *uri;
    int64_t duration_us;
};

/*
 * Append a finished (VOD) media playlist. Subtitles are one WebVTT segment as a rule.
 *
 *   init_uri      the fMP4 header (EXT-X-MAP); NULL for TS and WebVTT
 *   first_number  the first segment's (EXT-X-MEDIA-SEQUENCE)
 */
kn_code kn_media_playlist_write(struct kn_buf *out, const char *playlist_uri, const char *init_uri,
                                int first_number, const struct kn_manifest_segment *segments, int n_segments,
                                struct kn_error *err);

/*
 * Read a media playlist again: whether it says of exactly these segments, in their order, where they lie
 * and how long they last, and is a finished one.
 * KN_EBUG  it does not
 */
kn_code kn_media_playlist_check(const char *text, const char *playlist_uri, const char *init_uri,
                                const struct kn_manifest_segment *segments, int n_segments,
                                struct kn_error *err);

/* ---- DASH ---- */
struct kn_dash_track {
    enum kn_rendition kind;  // VIDEO, AUDIO or SUBTITLE
    const char *codecs;      // RFC 6381; NULL for a WebVTT file
    const char *language;    // T code, NULL or "und" unknown
    int64_t bandwidth_bps;
    int width_px, height_px; // video
    int fps_num, fps_den;
    int samplerate_hz;       // audio
    int channels;
    const char *init_uri;    // fMP4; NULL: segments[0] is a whole file (WebVTT)
    const struct kn_manifest_segment *segments;
    int n_segments;
};

/*
 * Append a static MPD over all tracks. Video tracks share one AdaptationSet (renditions to switch
 * between); audio and subtitle tracks share one per language.
 */
kn_code kn_mpd_write(struct kn_buf *out, const char *manifest_uri, int64_t duration_us,
                     const struct kn_dash_track *tracks, int n_tracks, struct kn_error *err);

/* Read an MPD again: whether it names exactly the files of these tracks, segments in their order and with
 * their lengths. KN_EBUG: it does not. */
kn_code kn_mpd_check(const char *text, const char *manifest_uri, const struct kn_dash_track *tracks,
                     int n_tracks, struct kn_error *err);

/* ---- rules for what comes in ---- */
/*
 * Where a reference inside a playlist leads: appended to `out` in the form open_input() takes.
 *
 * A playlist may name http(s) URLs (which then pass the URL rules when they are opened) and what
 * lies beside it: a bucket's playlist objects of its own bucket, a file's playlist files in its own
 * folder and below. Never another scheme, a file by its path, or another bucket.
 *
 * KN_EMEDIA  reason ResourceContentBad
 */
kn_code kn_playlist_resolve(struct kn_buf *out, const char *playlist_uri, const char *reference,
                            struct kn_error *err);

/* Append `target` relative to the folder of `manifest_uri`, percent-encoded. KN_EINVAL reason
 * NotSupported when they share neither bucket, host nor root. An http(s) target elsewhere is
 * written whole. */
kn_code kn_manifest_relative(struct kn_buf *out, const char *manifest_uri, const char *target,
                             struct kn_error *err);
