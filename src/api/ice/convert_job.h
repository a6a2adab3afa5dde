#pragma once
/* A conversion job as the wire shows it (spec 02, sections 2 to 4). */
#include <jansson.h>

#include "jobs/jobs.h"

/*
 * MediaConvertJob, a new reference; NULL without memory.
 *
 *   region      what FileBasicInfo.Region says
 *   has_detail  with Percent, OutputDetails and OutputGroupDetails: Submit and Get, not List
 */
json_t *kn_convert_job_json(const struct kn_job *job, const char *region, bool has_detail);

/* The job's state on the wire: Inited, Running, Complete, Error, Cancelled. Static. */
const char *kn_convert_job_state(enum kn_job_state state);
