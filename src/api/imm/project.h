#pragma once
/*
 * IMM projects: names under which tasks are filed (spec 08, section 2). What else the vendor keeps in
 * them, datasets and their limits, is stored and shown, and limits nothing here.
 * Thread-safe: all state is in the database.
 */
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "db/db.h"

// The vendor's quota per account and region (spec 08, 2.1).
#define KN_MAX_IMM_PROJECTS 100

struct kn_imm_project {
    char name[129];
    json_t *settings; // owned; an object: ServiceRole, Description, DatasetMaxFileCount, …
    json_t *tags;     // owned; [{"Key", "Value"}]
    int64_t created_us, modified_us;
};
void kn_imm_project_clear(struct kn_imm_project *project);

/* KN_ENOTFOUND, reason "ProjectNotFound". `out` is cleared by the caller. */
kn_code kn_imm_project_find(struct kn_db *db, const char *name, struct kn_imm_project *out,
                            struct kn_error *err);
