#pragma once
/*
 * Cues: the one form every caption reader fills and every writer reads.
 *
 * A list owns all its text in one arena. What a format can say and the model cannot is kept
 * verbatim beside it (`raw`, `settings`, `header`, `footer`), so that a list written in the format it
 * was read from loses nothing; a writer of another format goes by the model alone.
 * Thread-safety: a list belongs to one thread.
 */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/time.h"

// What a caption stream or file is made of. Names are those of the wire and of messages.
enum kn_caption_codec {
    KN_CAPTION_OTHER = 0, // nothing here reads it
    KN_CAPTION_SRT_TEXT,  // SubRip; in Matroska S_TEXT/UTF8
    KN_CAPTION_ASS,
    KN_CAPTION_SSA,
    KN_CAPTION_WEBVTT,    // files, S_TEXT/WEBVTT, D_WEBVTT/…
    KN_CAPTION_MOV_TEXT,  // tx3g samples
    KN_CAPTION_WVTT,      // WebVTT boxes in MP4 (ISO/IEC 14496-30)
    KN_CAPTION_TTML,      // stpp samples, .ttml and .dfxp files
    KN_CAPTION_USF,       // S_TEXT/USF
    KN_CAPTION_CEA608,    // cc_data of 608 and 708, c608 samples, .scc files
    KN_CAPTION_TELETEXT,
    // --- pictures: listed and timed here, read by OCR
    KN_CAPTION_PGS,
    KN_CAPTION_VOBSUB,
    KN_CAPTION_DVB,
    KN_CAPTION_XSUB,
    // --- files only, read through libavformat
    KN_CAPTION_SMALL,     // SAMI, MicroDVD, MPL2, JACOsub, PJS, RealText, STL, SubViewer, VPlayer
};

// How one stretch of text looks. Empty (all zero) is the look of ordinary text.
struct kn_cue_style {
    bool is_bold, is_italic, is_underline, is_strike;
    bool has_colour, has_background;
    uint32_t colour;     // 0xRRGGBB
    uint32_t background; // 0xRRGGBB
    const char *font;    // borrowed, as all text below, from the list's arena; NULL when unsaid
    double size_px;      // on a frame height_px high, as SRT's <font size> and ASS's \fs count; 0 unsaid
    const char *classes; // WebVTT's, joined by '.'; NULL when none
    const char *language; // BCP 47, WebVTT's <lang>; NULL when the cue's own
};

struct kn_cue_run {
    const char *text; // UTF-8; '\n' is a line break; never NULL
    struct kn_cue_style style;
    const char *ruby;  // annotation above this run; NULL for none
    const char *voice; // who speaks (<v Name>); NULL when the cue's speaker or unknown
    // When this run begins to be sung or lit, from the cue's start; KN_NO_TIME for none.
    int64_t karaoke_us;
};

enum kn_writing {
    KN_WRITING_HORIZONTAL = 0,
    KN_WRITING_VERTICAL_RL, // lines go from right to left
    KN_WRITING_VERTICAL_LR,
};

// Where a cue stands. All of it is optional.
struct kn_cue_place {
    int anchor;     // 1-9 as on a numeric pad (ASS \an); 0 when unsaid: bottom centre
    double x, y;    // the anchor's point in fractions of the frame; NAN when unsaid
    double width;   // of the box, fraction of the frame; NAN when unsaid
    enum kn_writing writing;
    const char *region; // name of a region in the list's header; NULL for none
};

struct kn_cue {
    int64_t start_us;
    int64_t end_us; // KN_NO_TIME while unknown; kn_cue_list_finish() fills it
    struct kn_cue_run *runs; // borrowed from the list's arena
    size_t n_runs;
    struct kn_cue_place place;
    const char *id;       // cue identifier; NULL for none
    const char *speaker;  // ASS Name, WebVTT's voice of the whole cue; NULL when unknown
    const char *style;    // name of a style in the header; NULL for the default one
    const char *language; // BCP 47, when it differs from the track's
    size_t order;         // place in the source (ASS ReadOrder); cues are sorted by time
    int layer;            // ASS
    int margins[3];       // ASS MarginL, MarginR, MarginV; 0: the style's
    const char *effect;   // ASS Effect
    bool is_forced;       // shown although captions are off
    // A comment of the source that keeps its place (ASS "Comment:", WebVTT NOTE); writers of other formats skip it.
    bool is_comment;
    double confidence; // of OCR, 0-1; NAN for text that was never a picture
    // --- as the source had it, for writing in the format it was read from; NULL otherwise
    const char *raw;      // ASS: the Text field; WebVTT: the payload
    const char *settings; // WebVTT: what follows the times
};

// What the container says about a caption track.
struct kn_caption_track {
    int stream_index;     // position in the container; services inside a picture follow
    enum kn_caption_codec codec;
    char codec_name[32];  // as FFmpeg or the container names it
    char language[36];    // as the container says: ISO 639-2 or BCP 47; "und" when it does not
    const char *title;    // borrowed; NULL when it has none
    bool is_default, is_forced, is_hearing_impaired, is_commentary, is_original;
    int page;             // teletext: 0x100 to 0x8FF, its digits as a viewer types them; 0: not known, or none
    int channel;          // CEA-608: 1-4 for CC1-CC4; 5-10 for services 1-6 of CEA-708; else 0
};

// Something that could not be read as it stands; the rest was.
struct kn_cue_warning {
    int line;         // of the file, from 1; 0 when it has none (a packet)
    const char *text; // a sentence; borrowed from the arena
};

struct kn_cue_list {
    struct kn_arena arena; // owns every text below
    struct kn_cue *cues;   // owned; in the source's order until kn_cue_list_finish()
    size_t n_cues;
    size_t capacity;
    size_t n_runs;         // of all cues together
    size_t n_look_bytes;   // of the names in their looks: fonts, classes, languages, voices
    struct kn_cue_warning *warnings; // owned; the first KN_MAX_CUE_WARNINGS
    size_t n_warnings;
    size_t n_problems; // all of them, also those not kept
    enum kn_caption_codec codec; // what `raw`, `settings`, `header` and `footer` are written in
    const char *header;   // ASS: all before the first event; WebVTT: all before the first cue
    const char *footer;   // ASS: sections after the events
    const char *encoding; // what the file was written in ("UTF-8", "GB18030"); NULL for packets
    struct kn_caption_track track;
    int width_px, height_px; // of the frame positions refer to; 0 when unknown
    int64_t longest_us; // what nobody ends is shown at most this long; 0: KN_CUE_MAX_UNSAID_US, pictures 10 s
    void *decoder; // owned: what a packet reader keeps between packets; NULL between streams
    void (*release)(void *decoder);
};

static inline bool kn_caption_is_ass(enum kn_caption_codec codec)
{
    return codec == KN_CAPTION_ASS || codec == KN_CAPTION_SSA;
}

#define KN_MAX_CUE_WARNINGS 100

void kn_cue_list_clear(struct kn_cue_list *list);

/*
 * A new cue at the end, with no text, no place and unknown end. Borrowed: valid until the next one.
 * KN_ELIMIT beyond KN_MAX_CUES.
 */
kn_code kn_cue_list_add(struct kn_cue_list *list, struct kn_cue **out_cue, struct kn_error *err);

/* Note what could not be read. Never fails: a warning without memory is only counted. */
void kn_cue_list_warn(struct kn_cue_list *list, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
