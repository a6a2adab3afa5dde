#pragma once
/* Captions out of a film: its caption streams, each into a file of its own. */
#include <jansson.h>

#include "base/cleanup.h"
#include "engine/caption/cue.h"
#include "features/context.h"
#include "features/extract/extract_spec.h"

/* Whether the source is a container of media, by its first bytes. */
kn_code kn_film_is_one(struct kn_context *context, const char *uri, bool *out_is_one, struct kn_error *err);

/*
 * Extract the streams that are asked for; each adds a row to `files`, also one that fails. In the source's
 * Target {streamindex} is the stream's number among the film's captions, from 0; closed captions inside
 * pictures come last, a number for each channel.
 *
 *   out_n_good  streams delivered (or listed)
 *
 * KN_EMEDIA reason "NoCaptionStream"; KN_EINVAL when streams would overwrite each other, or one is asked for
 * that is not there; else as kn_harvest_open_any().
 */
kn_code kn_film_extract(struct kn_context *context, const struct kn_extract_spec *spec,
                        const struct kn_extract_source *source, json_t *files, size_t *out_n_good,
                        struct kn_error *err);

/* extract.c: describe a finished list in its row, work on it and, unless only listing, write it to `target`. */
kn_code kn_extract_list(struct kn_context *context, const struct kn_extract_spec *spec,
                        struct kn_cue_list *list, const char *target, json_t *row, struct kn_error *err);
