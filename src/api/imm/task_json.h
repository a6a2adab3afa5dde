#pragma once
/* A task as the wire shows it (spec 08, section 5). */
#include <jansson.h>

#include "jobs/jobs.h"

/* Add Task's members to `out`. */
void kn_imm_task_put(json_t *out, const struct kn_job *job, bool has_definition);

/* EventId of a task's creation, made of its job's id: the same in every answer. */
void kn_imm_event_id(char out[40], const char *job_id);
