#pragma once
/*
 * Templates: what a conversion, a watermark, a snapshot should look like, by name (spec 02, 7).
 *
 * The system's templates are built in from data/templates/; custom ones live in the database and
 * come through a look-up that the caller gives. This folder knows their configuration, api/ice the
 * operations on them.
 * Thread-safety: all calls may be made from any thread.
 */
#include <stddef.h>

#include <jansson.h>

#include "base/error.h"

enum kn_template_type { // the wire's numbers
    KN_TEMPLATE_NONE = 0,
    KN_TEMPLATE_TRANSCODE,
    KN_TEMPLATE_SNAPSHOT,
    KN_TEMPLATE_ANIMATED_IMAGE,
    KN_TEMPLATE_IMAGE_WATERMARK,
    KN_TEMPLATE_TEXT_WATERMARK,
    KN_TEMPLATE_SUBTITLE,
    KN_TEMPLATE_AI_REVIEW,
    KN_TEMPLATE_AI_COVER,
    KN_TEMPLATE_AI_ERASURE,
    KN_TEMPLATE_AI_DNA,
    KN_TEMPLATE_AI_LABEL,
};

struct kn_template {
    char id[64];
    char name[132];
    int type;       // enum kn_template_type
    int subtype;    // the wire's number, 0 where the type has none
    json_t *config; // owned; an object
};

// Release what `template` owns and leave it empty. An empty one is welcome.
void kn_template_clear(struct kn_template *template);

/* How custom templates are found. Fills `out`; KN_ENOTFOUND when there is none. */
struct kn_template_source {
    kn_code (*by_id)(void *context, const char *id, struct kn_template *out, struct kn_error *err);
    kn_code (*by_name)(void *context, const char *name, struct kn_template *out,
                       struct kn_error *err);
    void *context;
};

/*
 * What a job's TemplateId names: a custom template's id, a system template's id, a custom
 * template's exact name, a system template's exact name, in this order. A custom name comes before
 * a system one, so that whoever made their own "Video-360P" gets it.
 *
 *   source  optional: without it only the system's templates are known
 * KN_EINVAL with reason TemplateNotFound.
 */
kn_code kn_template_find(struct kn_template *out, const char *key,
                         const struct kn_template_source *source, struct kn_error *err);

/*
 * Check a configuration for Create- and UpdateCustomTemplate, as a job would read it.
 *
 *   subtype  0: from config.Type, else the first
 * KN_EINVAL with reason EmptyValue, OutOfRange, InvalidParameter or NotSupported and the field's
 * path ("TemplateConfig.Video.Bitrate").
 */
kn_code kn_template_check(int type, int subtype, const json_t *config, struct kn_error *err);

/* The subtype that config.Type names, or 1 where the type has subtypes, or 0. */
int kn_template_subtype_of(int type, const json_t *config);
/* "TranscodeTemplate"; NULL for an unknown type. Static. */
const char *kn_template_type_name(int type);
/* "Remux"; "" where the type has no subtypes, NULL for a number it does not have. Static. */
const char *kn_template_subtype_name(int type, int subtype);

/* The system's templates, in the order of their ids as the files have them. i below the count. */
size_t kn_template_system_count(void);
kn_code kn_template_system(struct kn_template *out, size_t i, struct kn_error *err);
