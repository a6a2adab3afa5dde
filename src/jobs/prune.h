#pragma once
/* Forgetting ended jobs by age, with the texts only they had; and what guards against repeats. */
#include <stdint.h>

#include "base/error.h"
#include "db/db.h"

/*
 * Remove up to max_rows jobs that ended before `before_us`, their ClientTokens and their bodies.
 *
 *   kind   NULL: jobs of all kinds
 *   out_n  how many jobs
 */
kn_code kn_jobs_prune(struct kn_db *db, const char *kind, int64_t before_us, int max_rows, int64_t *out_n,
                      struct kn_error *err);

/* Remove nonces used before `before_us`; the clock window has closed on them. */
kn_code kn_nonces_prune(struct kn_db *db, int64_t before_us, int64_t *out_n, struct kn_error *err);
