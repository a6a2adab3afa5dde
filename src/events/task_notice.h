#pragma once
/*
 * The message at a task's end (spec 08, section 6): an envelope whose `content` is JSON again, as text. The
 * topic that the request named hears of it; other subscribers do not. The service may be told to leave the
 * envelope out, as the vendor did in 2024.
 */
#include <jansson.h>

#include "base/error.h"
#include "events/compose.h"

// "MediaConvert-" and a UUID.
#define KN_TASK_ID_SIZE 50

/* A task's id on the wire, made of its job's; and back: false when it is none. */
void kn_task_id(char out[KN_TASK_ID_SIZE], const char *job_id);
bool kn_task_job_id(char out[KN_ID_SIZE], const char *task_id);

// Message of a task.
#define KN_TASK_MESSAGE_SIZE 1024

/* What of a task's result failed, as one text, cut where it is too long; "" when nothing did. */
void kn_task_failures(char out[KN_TASK_MESSAGE_SIZE], const json_t *result);

/* A task has ended: its message into the outbox, when somebody is to be told. */
kn_code kn_task_notice(struct kn_tx *tx, const struct kn_job *job, const struct kn_event_source *source,
                       struct kn_error *err);
