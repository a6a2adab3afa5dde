#pragma once
/*
 * From jobs to events: which events a job's end makes, and what they say (spec 02, 10.4).
 *
 * A conversion makes one MediaConvertOutputComplete per output, one MediaConvertOutputGroupComplete
 * per group, then MediaConvertComplete; a job's receiver gets them in this order. A task makes one
 * message (task_notice.h). Kinds of jobs without events pass by.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "db/db.h"
#include "jobs/jobs.h"

struct kn_event_source {
    int64_t account_id; // UserId
    const char *region; // borrowed; NULL: ""
    bool tells_content_alone; // messages of tasks have no envelope (task_notice.h)
    // Code and Message of a failed task (kn_wire_error_of_task()); NULL: none.
    void (*task_error)(const char *code_name, const char *reason, const char *message,
                       char out_code[64], char out_message[1024]);
    // The wire's Code and Message of a failure, which api/ alone knows (kn_wire_error_of_job()).
    // NULL: our own reason and sentence.
    void (*wire_error)(const char *code_name, const char *reason, const char *message,
                       char out_code[64], char out_message[1024]);
};

/* A kn_job_hook; `source` is a struct kn_event_source. */
kn_code kn_events_on_job(struct kn_tx *tx, const struct kn_job *job, void *source,
                         struct kn_error *err);

/*
 * TaskId of a part of a job, the same in events and in every query: a hash of the job's id and the
 * part's place. group -1: the flat Outputs; output -1: the group itself.
 */
void kn_event_task_id(char out[KN_ID_SIZE], const char *job_id, int group, int output);
