#pragma once
/*
 * Building one cue's runs: a reader says how text looks from now on and hands over the text; runs that
 * look alike become one.
 *
 *     builder.look.style.is_italic = true;
 *     kn_cue_builder_text(&builder, "word", 4);
 *     kn_cue_builder_finish(&builder, cue, err);      and on to the next cue
 */
#include "base/buf.h"
#include "engine/caption/cue.h"

struct kn_cue_builder {
    struct kn_cue_list *list; // borrowed: strings go to its arena
    struct kn_cue_run look;   // of what is added next; its `text` is not used
    struct kn_cue_run *runs;  // owned
    size_t n_runs, capacity;
    struct kn_buf text;       // of the run being built
    struct kn_cue_run pending; // its look
    bool is_broken;           // no memory, or too many runs: kn_cue_builder_finish() says which
};

void kn_cue_builder_init(struct kn_cue_builder *builder, struct kn_cue_list *list);
void kn_cue_builder_clear(struct kn_cue_builder *builder);

void kn_cue_builder_text(struct kn_cue_builder *builder, const char *text, size_t n);
void kn_cue_builder_character(struct kn_cue_builder *builder, uint32_t character);
/* End the run being built, so that what follows is a run of its own; `ruby` (may be NULL) annotates it. */
void kn_cue_builder_cut(struct kn_cue_builder *builder, const char *ruby);

/*
 * Give the runs to `cue` and begin anew with the plain look. Line ends at both ends of the cue go.
 * KN_ELIMIT when the list has too many runs.
 */
kn_code kn_cue_builder_finish(struct kn_cue_builder *builder, struct kn_cue *cue,
                              struct kn_error *err);

/* Whether the two styles look the same. */
bool kn_cue_style_equal(const struct kn_cue_style *a, const struct kn_cue_style *b);
