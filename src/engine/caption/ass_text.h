#pragma once
/*
 * The text of ASS events: override blocks in braces, \N, \n, \h, \{, \}. SubRip files use the same blocks.
 *
 * libass is the reference for what a tag means. What the cue model cannot say (movement, fades,
 * transforms, borders) is left out here and stays in the cue's `raw`.
 */
#include "engine/caption/builder.h"
#include "engine/caption/cue.h"

// One row of [V4+ Styles] or [V4 Styles].
struct kn_ass_style {
    const char *name;          // borrowed, as all text here, from the list's arena
    struct kn_cue_style look;  // its own; `font` and `size_px` too
    int anchor;                // 1-9 as on a numeric pad
    const char *raw;           // the row after "Style:", as written
};

#define KN_ASS_MAX_STYLES 4096

// The styles of a script, found by name in a dozen steps: hostile ones have thousands and name one in every tag.
struct kn_ass_styles {
    struct kn_ass_style *rows; // in the list's arena; the first is what ordinary text looks like: "Default", else the first
    size_t n;                  // at most KN_ASS_MAX_STYLES
    const struct kn_ass_style *by_name[KN_ASS_MAX_STYLES];
    size_t n_by_name;
};

/* Put the default style first, and sort `by_name` when there are more rows than it has. */
void kn_ass_styles_index(struct kn_ass_styles *styles);

/* The last style of this name, as in libass, ASCII case ignored; NULL when there is none, or no `styles`. */
const struct kn_ass_style *kn_ass_style_find(const struct kn_ass_styles *styles, const char *name, size_t n);

struct kn_ass_scan {
    struct kn_cue_builder *builder;   // borrowed
    struct kn_cue *cue;               // borrowed: \an, \pos go to its place
    const struct kn_ass_styles *styles; // borrowed, for \rName; may be NULL
    struct kn_cue_style base;  // the look that \r goes back to
    int width_px, height_px;   // PlayRes: what \pos counts in
    int64_t sung_us;           // sum of the \k so far
    bool is_drawing, is_hidden, has_place;
};

/* What stands between '{' and '}'. Whether there was a tag in it: without one it is a comment. */
bool kn_ass_override(struct kn_ass_scan *scan, const char *block, size_t n);

/* A whole Text field. */
void kn_ass_text_scan(struct kn_ass_scan *scan, const char *text, size_t n);

/* How a style looks beside the default one: what both have is ordinary text. */
struct kn_cue_style kn_ass_look(const struct kn_ass_style *style, const struct kn_ass_style *plain);

/* Numeric pad from SSA's \a and Alignment: 1-3 below, 5-7 above, 9-11 in the middle. */
int kn_ass_legacy_anchor(int alignment);

/* "&HBBGGRR&", "&HAABBGGRR", decimal: 0xRRGGBB. */
bool kn_ass_colour(const char *text, size_t n, uint32_t *out_rgb, int *out_alpha);
