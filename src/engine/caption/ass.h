#pragma once
/*
 * ASS and SSA scripts. All of a script but its events stays as it was in the list's `header` and
 * `footer`, each event's text in its `raw`; runs and places are for the plainer formats.
 */
#include "base/buf.h"
#include "engine/caption/ass_text.h"
#include "engine/caption/cue.h"
#include "engine/caption/write.h"

enum kn_ass_field {
    KN_ASS_OTHER = 0,
    KN_ASS_LAYER,
    KN_ASS_START,
    KN_ASS_END,
    KN_ASS_STYLE,
    KN_ASS_NAME,
    KN_ASS_MARGIN_L,
    KN_ASS_MARGIN_R,
    KN_ASS_MARGIN_V,
    KN_ASS_EFFECT,
    KN_ASS_TEXT,
};
#define KN_ASS_MAX_FIELDS 16

// What events need of a script. All of it lies in the list's arena.
struct kn_ass_script {
    struct kn_ass_styles styles;
    enum kn_ass_field format[KN_ASS_MAX_FIELDS]; // of events, in their order
    int n_fields;
};

/* UTF-8 text of a whole script. KN_EMEDIA when it has no events and no section. */
kn_code kn_ass_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err);

/* The header a container keeps as private data. *out_script lies in the list's arena. */
kn_code kn_ass_header(struct kn_cue_list *list, struct kn_ass_script **out_script, const char *text,
                      size_t n, struct kn_error *err);

/* A Matroska block: "ReadOrder,Layer,Style,Name,MarginL,MarginR,MarginV,Effect,Text". */
kn_code kn_ass_packet(struct kn_cue_list *list, const struct kn_ass_script *script, const char *text,
                      size_t n, int64_t start_us, int64_t end_us, struct kn_error *err);

void kn_ass_write(struct kn_buf *out, const struct kn_cue_list *list,
                  const struct kn_caption_write_options *options);
