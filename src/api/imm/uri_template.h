#pragma once
/*
 * Addresses with variables, as targets have them (spec 08, section 4): "oss://b/cap-{streamindex}.{autoext}".
 *
 *     {bucket} {key} {dirname} {basename} {barename} {ext}      of the source
 *     {year} {mon} {day} {hour} {min} {sec}                     when the source was written, UTC
 *     {t_year} {t_mon} … {t_sec}                                when the task was created
 *     {tags.NAME}                                               a tag of the task
 *     {streamindex} {autoext}                                   known only to the run: left as they are
 *     {{ }}                                                     a brace
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/uri.h"

struct kn_imm_names { // what variables stand for; all borrowed
    const struct kn_uri *source;
    const json_t *tags;      // NULL: none
    int64_t created_us;
    int64_t uploaded_us;     // KN_NO_TIME: not looked up
    const char *const *oss_hosts;
};

/* Whether the template asks when the source was written. */
bool kn_imm_template_wants_upload_time(const char *text);

/*
 * Resolve the address of caption files, in canonical form.
 *
 *   out_one   when one stream is extracted
 *   out_many  when several are: told apart by {streamindex}, which is put in where it is missing, so that no
 *             stream overwrites another. Both in the arena.
 *
 * KN_EINVAL: an unknown variable, an unbalanced brace, no address of a bucket; `path` names the parameter.
 */
kn_code kn_imm_caption_targets(const char **out_one, const char **out_many, const char *text, const char *path,
                               const struct kn_imm_names *names, struct kn_arena *arena, struct kn_error *err);

/* Resolve any other address; the run's variables are unknown there. In the arena. */
kn_code kn_imm_template_resolve(const char **out, const char *text, const char *path,
                                const struct kn_imm_names *names, struct kn_arena *arena, struct kn_error *err);
