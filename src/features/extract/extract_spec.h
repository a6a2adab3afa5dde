#pragma once
/*
 * What a caption job asks for, checked; no media library.
 *
 *   { "Sources": [ {"Uri", "Target", "TargetMany", "Language"} ],   targets may hold {autoext}, {streamindex};
 *                                                    TargetMany: instead of Target when a film gives several
 *     "Format": "srt"|"webvtt"|"ass",
 *     "ListOnly": false, "Streams": [0, 2], "ForcedOnly": false, "ClosedOnly": false,   these and the next two for
 *                                                    films; ListOnly and Streams for all, SAMI has several streams
 *     "IgnoreMissing": false,                        numbers in Streams that the film does not have
 *     "LookEverywhere": false,                       for streams and closed captions that begin late
 *     "ShiftUs": 0, "Scale": 1.0, "RemoveHearingImpaired": false,
 *     "LongestUs": 0, "JoinSimultaneous": false,     what nobody ends lasts at most so long (0: 8 s, pictures 10 s)
 *     "OcrLanguage": "eng", "FixOcr": false,                            of captions made of pictures
 *     "ByteOrderMark": false, "LineEnd": "lf"|"crlf",
 *     "RtlMarks": "on"|"off" }                       U+200F before lines of right-to-left text that begin with
 *                                                    punctuation; without it: in SubRip of pictures, teletext
 *
 * The result: { "Files": [ {"Source", "Uri", "Kind", "Encoding", "Language", "Cues", "StartUs", "EndUs",
 *               "Changed", "Dropped", "Problems", "Warnings": [ {"Line", "Text"} ]} ],
 *               "Usage": [ {"Kind": "extract", "Item": "ExtractSubtitleText", "Streams"},
 *                          {"Kind": "extract", "Item": "ExtractSubtitleImage", "Seconds"} ] }   what was delivered
 * A film has a row for each stream, with "StreamIndex", "ContainerIndex", "CodecName", "Title", "Default",
 * "Forced" (also when every one of its cues is), "HearingImpaired", "Channel" (CC1-CC4); what failed has "Code" and
 * "Message"; "MayHaveMore" is true when the film was listed without a look at all of it. "ForcedCues" counts those that
 * are forced by themselves, if there are any. One made of pictures also has "Pictures", "Unread" (those of which
 * nothing could be read) and "Confidence", 0 to 1.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"

// More than anyone names on a command line; each is read and written by itself.
#define KN_MAX_EXTRACT_SOURCES 4096
// As many as are read of one film (engine/caption, KN_MAX_HARVEST_TRACKS).
#define KN_MAX_EXTRACT_STREAMS 1024

struct kn_extract_source {
    const char *uri;
    const char *target;   // NULL with ListOnly
    const char *target_many; // NULL: `target` holds {streamindex} where there can be several
    const char *language; // hint for the encoding; NULL when unknown
};

struct kn_extract_spec {
    struct kn_arena arena; // owns all text
    struct kn_extract_source *sources;
    size_t n_sources;
    const char *format;    // "srt", "webvtt" or "ass"
    const char *line_end;  // "lf", "crlf"; NULL: the format's own
    const char *rtl_marks; // "on", "off"; NULL: on for SubRip of pictures and teletext
    int64_t shift_us;
    int64_t longest_us; // of what nobody ends; 0: engine/caption's own
    double scale;
    bool lists_only, removes_hearing_impaired, has_mark;
    int *streams;     // numbers among a film's captions; none: all of them
    size_t n_streams;
    const char *ocr_language; // instead of what the streams say; NULL: what they say
    bool fixes_ocr;
    bool joins_simultaneous; // SubRip: captions of the same times become one
    bool ignores_missing; // of `streams`, those that are not there
    bool looks_everywhere; // of a film: all of it is read for captions that begin late
    bool closed_only; // of a film: the closed captions inside its pictures, and in tracks of such
    bool forced_only; // of a film: the streams marked as forced, and of the others the cues marked so
};

kn_code kn_extract_spec_load(struct kn_extract_spec *spec, const json_t *object, struct kn_error *err);
void kn_extract_spec_clear(struct kn_extract_spec *spec);
