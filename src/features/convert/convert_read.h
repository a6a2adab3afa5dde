#pragma once
/*
 * Reading one object after another while keeping the path of the field at hand, for the loaders of
 * this folder (convert_spec.c, transcode_config.c, features_read.c).
 *
 * A reader remembers its first failure: later reads do nothing and give their default, so a loader
 * reads all its fields and asks once, at the end. Everything it gives lives in its arena.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"
#include "features/convert/convert_spec.h"

struct kn_reader {
    struct kn_arena *arena; // borrowed
    struct kn_error *err;   // borrowed, optional
    kn_code rc;             // the first failure
};

/* A value and where it stands on the wire ("Config.Inputs[0].InputFile"). */
struct kn_place {
    const json_t *value; // borrowed; NULL when absent
    const char *path;
};

/* A word of the wire and the enum it stands for; a table ends with a NULL word. */
struct kn_word {
    const char *word;
    int value;
};

/* Members of place.value; `otherwise` when absent. */
int64_t kn_read_int(struct kn_reader *r, struct kn_place at, const char *name, int64_t min,
                    int64_t max, int64_t otherwise);
double kn_read_double(struct kn_reader *r, struct kn_place at, const char *name, double min,
                      double max, double otherwise);
bool kn_read_bool(struct kn_reader *r, struct kn_place at, const char *name, bool otherwise);
const char *kn_read_text(struct kn_reader *r, struct kn_place at, const char *name);
/* Case is ignored; an unknown word fails with `reason`. */
int kn_read_word(struct kn_reader *r, struct kn_place at, const char *name,
                 const struct kn_word *words, const char *reason, int otherwise);
/* Seconds or hh:mm:ss, fraction allowed, 0 to 86399.999 s (spec 02, 6.5). */
int64_t kn_read_time_us(struct kn_reader *r, struct kn_place at, const char *name,
                        int64_t otherwise);

/* An object or array member; its value is NULL when absent or null. Other kinds fail. */
struct kn_place kn_read_object(struct kn_reader *r, struct kn_place at, const char *name);
struct kn_place kn_read_array(struct kn_reader *r, struct kn_place at, const char *name);
/* Element i of an array; it must be an object. */
struct kn_place kn_read_item(struct kn_reader *r, struct kn_place array, size_t i);
bool kn_read_has(struct kn_place at, const char *name); // present, not null, not ""

/* Zeroed arena memory, remembered as a failure when there is none. */
void *kn_read_alloc(struct kn_reader *r, size_t n, size_t size);

/* Fail at place.name (name may be NULL): "'<path>.<name>' <text>". Only the first counts. */
void kn_read_fail(struct kn_reader *r, const char *reason, struct kn_place at, const char *name,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* ---- the loaders built from it ---- */
/* Where references to inputs are looked up; n_inputs 0 when a template is checked by itself. */
struct kn_read_inputs {
    const struct kn_convert_input *inputs;
    int n_inputs;
};

/* A template configuration with its overrides (spec 02, 6.1 to 6.4) into `output`. */
void kn_read_transcode(struct kn_reader *r, struct kn_place config,
                       const struct kn_read_inputs *inputs, struct kn_convert_output *output);
/* Features (spec 02, 6.5). */
void kn_read_features(struct kn_reader *r, struct kn_place at,
                      struct kn_convert_features *features);
/* Clip of an output's features, or of an input. */
void kn_read_clip(struct kn_reader *r, struct kn_place at, struct kn_convert_clip *clip);
/* One watermark whose template is merged in already; `is_text` is known from Type. */
void kn_read_watermark(struct kn_reader *r, struct kn_place at,
                       struct kn_convert_watermark *mark);
/* Language, LanguageControl. */
void kn_read_language(struct kn_reader *r, struct kn_place at, enum kn_language_control *control,
                      char language[4]);
