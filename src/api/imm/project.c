/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CreateProject, GetProject, ListProjects, UpdateProject, DeleteProject and ListRegions (spec 08, 2). */
#include "api/imm/project.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/operations.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

#define COLUMNS "name, settings, tags, created_us, modified_us"
// Pages of ListProjects (spec 08, 2.4): 0 asks for the most common figure, not for nothing.
#define DEFAULT_PAGE 100

/* What a caller may set, and what holds until then (spec 08, 2.1). */
static const struct {
    const char *name;
    const char *text; // NULL: a number
    int64_t number;
} settings[] = {
    {"ServiceRole", "AliyunIMMDefaultRole", 0},
    {"TemplateId", "", 0},
    {"Description", "", 0},
    {"ProjectMaxDatasetCount", NULL, 1000000000},
    {"DatasetMaxBindCount", NULL, 10},
    {"DatasetMaxFileCount", NULL, 100000000},
    {"DatasetMaxEntityCount", NULL, 10000000000},
    {"DatasetMaxRelationCount", NULL, 100000000000},
    {"DatasetMaxTotalFileSize", NULL, 90000000000000000},
};

void kn_imm_project_clear(struct kn_imm_project *project)
{
    json_decref(project->settings);
    json_decref(project->tags);
    *project = (struct kn_imm_project){0};
}

/* ---- rows ---- */

static kn_code project_fill(struct kn_imm_project *out, struct kn_stmt *row, struct kn_error *err)
{
    kn_imm_project_clear(out);
    (void)kn_copy(out->name, sizeof(out->name), kn_stmt_text(row, 0));
    out->settings = json_loads(kn_stmt_text(row, 1), 0, NULL);
    out->tags = json_loads(kn_stmt_text(row, 2), 0, NULL);
    out->created_us = kn_stmt_int(row, 3);
    out->modified_us = kn_stmt_int(row, 4);
    return out->settings && out->tags ? KN_OK
                                      : kn_fail(err, KN_ENOMEM, "no memory for project '%s'", out->name);
}

static kn_code project_load(struct kn_tx *tx, const char *name, struct kn_imm_project *out,
                            struct kn_error *err)
{
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err, "SELECT " COLUMNS " FROM imm_project WHERE name = ?", "s",
                             name);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK && !has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "ProjectNotFound", "there is no project '%s'", name);
    return rc == KN_OK ? project_fill(out, row, err) : rc;
}

struct look_up {
    const char *name;
    struct kn_imm_project *out;
};

static kn_code find_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct look_up *look_up = context;
    return project_load(tx, look_up->name, look_up->out, err);
}

kn_code kn_imm_project_find(struct kn_db *db, const char *name, struct kn_imm_project *out,
                            struct kn_error *err)
{
    struct look_up look_up = {name, out};
    return kn_db_read(db, find_tx, &look_up, err);
}

/* ---- the wire's Project ---- */

static json_t *project_json(const struct kn_imm_project *project, bool has_statistics)
{
    char created[32], modified[32];
    kn_time_iso_ms(created, project->created_us);
    kn_time_iso_ms(modified, project->modified_us);
    json_t *out = json_pack("{s:s, s:s, s:s, s:i, s:i}", "ProjectName", project->name, "CreateTime",
                            created, "UpdateTime", modified, "EngineConcurrency", 100,
                            "ProjectQueriesPerSecond", 100);
    for (size_t i = 0; i < KN_COUNT(settings); i++) {
        json_t *set = json_object_get(project->settings, settings[i].name);
        json_t *value = set                ? json_incref(set)
                        : settings[i].text ? json_string(settings[i].text)
                                           : json_integer(settings[i].number);
        (void)json_object_set_new(out, settings[i].name, value);
    }
    // Requests say Key and Value, answers TagKey and TagValue.
    json_t *tags = json_array();
    size_t i;
    json_t *tag;
    json_array_foreach(project->tags, i, tag)
        (void)json_array_append_new(tags, json_pack("{s:s, s:s}", "TagKey", kn_json_get(tag, "Key", ""),
                                                    "TagValue", kn_json_get(tag, "Value", "")));
    (void)json_object_set_new(out, "Tags", tags);
    static const char *const statistics[] = {"DatasetCount", "FileCount", "TotalFileSize"};
    for (size_t k = 0; has_statistics && k < KN_COUNT(statistics); k++)
        (void)json_object_set_new(out, statistics[k], json_integer(0)); // there are no datasets here
    return out;
}

/* ---- what a request sets ---- */

static kn_code name_check(const char *name, struct kn_error *err)
{
    bool is_valid = isalpha((unsigned char)name[0]) || name[0] == '_';
    for (const char *c = name; *c; c++)
        is_valid = is_valid && (isalnum((unsigned char)*c) || *c == '-' || *c == '_');
    return is_valid ? KN_OK
                    : kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                                 "ProjectName '%s' has more than letters, digits, '-' and '_', or begins "
                                 "with neither a letter nor '_'",
                                 name);
}

static kn_code tags_check(const json_t *tags, struct kn_error *err)
{
    size_t i;
    const json_t *tag;
    json_array_foreach(tags, i, tag) {
        if (!json_is_string(json_object_get(tag, "Key")))
            return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Tag[%zu] has no Key", i);
        const json_t *value = json_object_get(tag, "Value");
        if (value && !json_is_string(value))
            return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "the Value of Tag[%zu] is no text", i);
    }
    return KN_OK;
}

/* The request's settings and tags over those the project has. */
static kn_code project_take(struct kn_call *call, struct kn_imm_project *project, struct kn_error *err)
{
    for (size_t i = 0; i < KN_COUNT(settings); i++) {
        json_t *value = kn_arg_json(call, settings[i].name);
        if (value && json_object_set(project->settings, settings[i].name, value) < 0)
            return kn_fail(err, KN_ENOMEM, "no memory for a project");
    }
    json_t *tags = kn_arg_json(call, "Tag");
    kn_code rc = tags_check(tags, err);
    if (rc == KN_OK && tags) {
        json_decref(project->tags);
        project->tags = json_incref(tags);
    }
    return rc;
}

/* ---- CreateProject ---- */

struct writing {
    struct kn_call *call;
    struct kn_imm_project *project;
};

static kn_code project_write(struct kn_tx *tx, const struct kn_imm_project *project, const char *sql,
                             struct kn_error *err)
{
    kn_auto(kn_free) char *own = kn_json_text(project->settings);
    kn_auto(kn_free) char *tags = kn_json_text(project->tags);
    if (!own || !tags)
        return kn_fail(err, KN_ENOMEM, "no memory for project '%s'", project->name);
    return kn_tx_run(tx, NULL, err, sql, "ssiis", own, tags, project->created_us, project->modified_us,
                     project->name);
}

static kn_code create_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct kn_imm_project *project = ((struct writing *)context)->project;
    struct kn_stmt *row;
    bool has_row = false;
    // Two creations meet here, not at the primary key.
    kn_code rc = kn_tx_lock(tx, "imm_project", err);
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &row, err,
                         "SELECT COUNT(*), COALESCE(SUM(CASE WHEN name = ? THEN 1 ELSE 0 END), 0)"
                         " FROM imm_project",
                         "s", project->name);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (kn_stmt_int(row, 1) > 0)
        return kn_fail_as(err, KN_ECONFLICT, "ProjectExists", "there is a project '%s'", project->name);
    if (kn_stmt_int(row, 0) >= KN_MAX_IMM_PROJECTS)
        return kn_fail_as(err, KN_EINVAL, "ProjectLimit", "there are %d projects already",
                          KN_MAX_IMM_PROJECTS);
    return project_write(tx, project,
                         "INSERT INTO imm_project (settings, tags, created_us, modified_us, name)"
                         " VALUES (?, ?, ?, ?, ?)",
                         err);
}

kn_code kn_imm_create_project(struct kn_call *call, struct kn_error *err)
{
    kn_auto(kn_imm_project_clear) struct kn_imm_project project = {
        .settings = json_object(), .tags = json_array(), .created_us = kn_now_us()};
    project.modified_us = project.created_us;
    (void)kn_copy(project.name, sizeof(project.name), kn_arg_text(call, "ProjectName"));
    struct writing writing = {call, &project};
    kn_code rc = name_check(project.name, err);
    if (rc == KN_OK)
        rc = project_take(call, &project, err);
    if (rc == KN_OK)
        rc = kn_call_write(call, create_tx, &writing, err);
    if (rc == KN_OK)
        (void)json_object_set_new(call->answer, "Project", project_json(&project, false));
    return rc;
}

/* ---- GetProject, UpdateProject, DeleteProject ---- */

kn_code kn_imm_get_project(struct kn_call *call, struct kn_error *err)
{
    kn_auto(kn_imm_project_clear) struct kn_imm_project project = {0};
    kn_code rc = kn_imm_project_find(call->api->config.db, kn_arg_text(call, "ProjectName"), &project,
                                     err);
    bool has_statistics = json_is_true(kn_arg_json(call, "WithStatistics"));
    if (rc == KN_OK)
        (void)json_object_set_new(call->answer, "Project", project_json(&project, has_statistics));
    return rc;
}

static kn_code update_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct writing *writing = context;
    struct kn_imm_project *project = writing->project;
    kn_code rc = project_load(tx, kn_arg_text(writing->call, "ProjectName"), project, err);
    if (rc == KN_OK)
        rc = project_take(writing->call, project, err);
    if (rc != KN_OK)
        return rc;
    project->modified_us = kn_now_us();
    return project_write(tx, project,
                         "UPDATE imm_project SET settings = ?, tags = ?, created_us = ?, modified_us = ?"
                         " WHERE name = ?",
                         err);
}

kn_code kn_imm_update_project(struct kn_call *call, struct kn_error *err)
{
    kn_auto(kn_imm_project_clear) struct kn_imm_project project = {0};
    struct writing writing = {call, &project};
    kn_code rc = kn_call_write(call, update_tx, &writing, err);
    if (rc == KN_OK)
        (void)json_object_set_new(call->answer, "Project", project_json(&project, false));
    return rc;
}

static kn_code delete_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const char *name = context;
    int64_t n = 0;
    kn_code rc = kn_tx_run(tx, &n, err, "DELETE FROM imm_project WHERE name = ?", "s", name);
    if (rc == KN_OK && n == 0)
        return kn_fail_as(err, KN_ENOTFOUND, "ProjectNotFound", "there is no project '%s'", name);
    return rc;
}

// inferred: the vendor refuses while data sets hang on the project, and here there are but tasks.
static kn_code idle_check(struct kn_call *call, const char *name, struct kn_error *err)
{
    const struct kn_job_filter running = {.kind = "task",
                                          .name = name,
                                          .state = -1,
                                          .is_unfinished = true,
                                          .created_from_us = KN_NO_TIME,
                                          .created_before_us = KN_NO_TIME,
                                          .limit = 1};
    struct kn_job *jobs;
    size_t n = 0;
    char token[128];
    kn_code rc = kn_jobs_list(call->api->config.jobs, &running, &call->arena, &jobs, &n, token, err);
    if (rc == KN_OK && n > 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidState", "project '%s' has a task that is running", name);
    return rc;
}

kn_code kn_imm_delete_project(struct kn_call *call, struct kn_error *err)
{
    const char *name = kn_arg_text(call, "ProjectName");
    kn_code rc = idle_check(call, name, err);
    return rc == KN_OK ? kn_call_write(call, delete_tx, (void *)(uintptr_t)name, err) : rc;
}

/* ---- ListProjects ---- */

struct listing {
    struct kn_call *call;
    const char *after, *prefix;
    size_t limit;
    json_t *list; // owned
    char next[129];
};

static bool has_tag(const json_t *tags, const json_t *wanted)
{
    size_t i;
    const json_t *tag;
    json_array_foreach(tags, i, tag) {
        if (kn_equal(kn_json_get(tag, "Key", ""), kn_json_get(wanted, "Key", "")) &&
            kn_equal(kn_json_get(tag, "Value", ""), kn_json_get(wanted, "Value", "")))
            return true;
    }
    return false;
}

static bool is_wanted(const struct listing *listing, const struct kn_imm_project *project)
{
    size_t i;
    const json_t *wanted;
    json_array_foreach(kn_arg_json(listing->call, "Tag"), i, wanted)
        if (!has_tag(project->tags, wanted))
            return false;
    return kn_starts_with(project->name, listing->prefix);
}

// At most KN_MAX_IMM_PROJECTS rows: prefix and tags are compared here.
static kn_code list_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct listing *listing = context;
    struct kn_stmt *row;
    bool has_row = true;
    kn_auto(kn_imm_project_clear) struct kn_imm_project project = {0};
    (void)json_array_clear(listing->list);
    listing->next[0] = '\0';
    kn_code rc = kn_tx_query(tx, &row, err,
                             "SELECT " COLUMNS " FROM imm_project WHERE name > ? ORDER BY name", "s",
                             listing->after);
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row) {
        rc = project_fill(&project, row, err);
        if (rc != KN_OK || !is_wanted(listing, &project))
            continue;
        if (json_array_size(listing->list) == listing->limit) {
            const json_t *last = json_array_get(listing->list, listing->limit - 1);
            (void)kn_copy(listing->next, sizeof(listing->next), kn_json_get(last, "ProjectName", ""));
            return KN_OK;
        }
        (void)json_array_append_new(listing->list, project_json(&project, false));
    }
    return rc;
}

kn_code kn_imm_list_projects(struct kn_call *call, struct kn_error *err)
{
    const char *after = kn_arg_text(call, "NextToken"), *prefix = kn_arg_text(call, "Prefix");
    const int64_t limit = kn_arg_int(call, "MaxResults", 0);
    struct listing listing = {.call = call,
                              .after = after ? after : "",
                              .prefix = prefix ? prefix : "",
                              .limit = limit > 0 ? (size_t)limit : DEFAULT_PAGE,
                              .list = json_array()};
    kn_code rc = tags_check(kn_arg_json(call, "Tag"), err);
    if (rc == KN_OK)
        rc = kn_call_read(call, list_tx, &listing, err);
    if (rc == KN_OK) {
        (void)json_object_set(call->answer, "Projects", listing.list);
        (void)json_object_set_new(call->answer, "NextToken", json_string(listing.next));
    }
    json_decref(listing.list);
    return rc;
}

/* ---- ListRegions ---- */

kn_code kn_imm_list_regions(struct kn_call *call, struct kn_error *err)
{
    (void)err;
    const char *region = call->api->config.region;
    (void)json_object_set_new(call->answer, "Regions",
                              json_pack("[{s:s, s:s}]", "RegionId", region, "LocalName", region));
    return KN_OK;
}
