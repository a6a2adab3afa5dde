/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Templates (spec 02, section 7). Custom ones are rows of the table `template`; their configuration is
 * kept as it was sent. System ones are built in (features/convert/template.h). Jobs hold a copy of what
 * they were submitted with, so nothing here changes a job.
 */
#include "api/ice/template.h"

#include <string.h>

#include "api/call.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "api/operations.h"

#define COLUMNS "id, name, type, subtype, config, is_default, created_us, modified_us"

struct custom { // a row, texts in an arena or borrowed from a statement
    const char *id, *name, *config;
    int type, subtype;
    bool is_default;
    int64_t created_us, modified_us;
};

static struct custom custom_of_row(struct kn_stmt *stmt)
{
    return (struct custom){
        .id = kn_stmt_text(stmt, 0),
        .name = kn_stmt_text(stmt, 1),
        .type = (int)kn_stmt_int(stmt, 2),
        .subtype = (int)kn_stmt_int(stmt, 3),
        .config = kn_stmt_text(stmt, 4),
        .is_default = kn_stmt_int(stmt, 5) != 0,
        .created_us = kn_stmt_int(stmt, 6),
        .modified_us = kn_stmt_int(stmt, 7),
    };
}

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

/* What custom and system templates have in common on the wire. */
static json_t *template_json(const char *id, const char *name, int type, int subtype,
                             const char *config)
{
    json_t *out = json_object();
    kn_put_text(out, "TemplateId", id);
    (void)json_object_set_new(out, "TemplateName", json_string(name));
    (void)json_object_set_new(out, "Type", json_integer(type));
    (void)json_object_set_new(out, "TypeName",
                              json_string(text_or_empty(kn_template_type_name(type))));
    (void)json_object_set_new(out, "Subtype", json_integer(subtype));
    (void)json_object_set_new(out, "SubtypeName",
                              json_string(text_or_empty(kn_template_subtype_name(type, subtype))));
    kn_put_text(out, "Status", "Normal");
    (void)json_object_set_new(out, "TemplateConfig", json_string(config));
    return out;
}

static json_t *custom_json(const struct custom *custom)
{
    json_t *out =
        template_json(custom->id, custom->name, custom->type, custom->subtype, custom->config);
    (void)json_object_set_new(out, "IsDefault", json_boolean(custom->is_default));
    kn_put_time(out, "CreateTime", custom->created_us);
    kn_put_time(out, "ModifiedTime", custom->modified_us);
    return out;
}

static kn_code not_found(struct kn_error *err, const char *id)
{
    return kn_fail_as(err, KN_ENOTFOUND, "ResourceNotFound", "there is no template '%s'", id);
}

/* ---- looking up for jobs ---- */

struct look_up {
    const char *sql;
    const char *key;
    struct kn_template *out;
};

static kn_code look_up_read(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct look_up *look_up = context;
    struct kn_stmt *stmt;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &stmt, err, look_up->sql, "s", look_up->key);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return not_found(err, look_up->key);
    struct custom row = custom_of_row(stmt);
    kn_template_clear(look_up->out); // the transaction may run again
    (void)kn_copy(look_up->out->id, sizeof(look_up->out->id), row.id);
    (void)kn_copy(look_up->out->name, sizeof(look_up->out->name), row.name);
    look_up->out->type = row.type;
    look_up->out->subtype = row.subtype;
    return kn_json_parse(&look_up->out->config, row.config, strlen(row.config), "TemplateConfig",
                         err);
}

static kn_code find_by(struct kn_db *db, const char *sql, const char *key, struct kn_template *out,
                       struct kn_error *err)
{
    *out = (struct kn_template){0};
    struct look_up look_up = {.sql = sql, .key = key, .out = out};
    kn_code rc = kn_db_read(db, look_up_read, &look_up, err);
    if (rc != KN_OK)
        kn_template_clear(out);
    return rc;
}

static kn_code find_by_id(void *context, const char *id, struct kn_template *out,
                          struct kn_error *err)
{
    // Ids are kn_id_hex(): "Video-720P" need not be looked for.
    if (strspn(id, "0123456789abcdef") != KN_ID_SIZE - 1 || id[KN_ID_SIZE - 1] != '\0')
        return KN_ENOTFOUND;
    return find_by(context, "SELECT " COLUMNS " FROM template WHERE id = ?", id, out, err);
}

// Names need not be unique; the newest is the one its maker means.
static kn_code find_by_name(void *context, const char *name, struct kn_template *out,
                            struct kn_error *err)
{
    return find_by(context,
                   "SELECT " COLUMNS " FROM template WHERE name = ? "
                   "ORDER BY created_us DESC, id LIMIT 1",
                   name, out, err);
}

struct kn_template_source kn_custom_templates(struct kn_db *db)
{
    return (struct kn_template_source){
        .by_id = find_by_id, .by_name = find_by_name, .context = db};
}

/* ---- create, update, delete ---- */

static kn_code custom_insert(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct custom *custom = context;
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO template (" COLUMNS ") VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
                     "ssiisii", custom->id, custom->name, (int64_t)custom->type,
                     (int64_t)custom->subtype, custom->config, custom->created_us,
                     custom->modified_us);
}

kn_code kn_ice_create_custom_template(struct kn_call *call, struct kn_error *err)
{
    const json_t *config = kn_arg_json(call, "TemplateConfig");
    char id[KN_ID_SIZE];
    kn_id_hex(id);
    struct custom custom = {
        .id = id,
        .name = kn_arg_text(call, "Name"),
        .type = (int)kn_arg_int(call, "Type", 0),
        .subtype = (int)kn_arg_int(call, "Subtype", 0),
        .config = kn_arg_source(call, "TemplateConfig"),
        .created_us = kn_now_us(),
    };
    custom.modified_us = custom.created_us;
    if (custom.subtype == 0)
        custom.subtype = kn_template_subtype_of(custom.type, config);
    if (!kn_template_subtype_name(custom.type, custom.subtype))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "'Subtype' %d is none of Type %d",
                          custom.subtype, custom.type);
    kn_code rc = kn_template_check(custom.type, custom.subtype, config, err);
    if (rc == KN_OK)
        rc = kn_call_write(call, custom_insert, &custom, err);
    if (rc != KN_OK)
        return rc;
    json_t *answer = custom_json(&custom);
    // Here, and only here, Subtype is the name (spec 02, 7.2).
    (void)json_object_del(answer, "SubtypeName");
    (void)json_object_set_new(
        answer, "Subtype",
        json_string(text_or_empty(kn_template_subtype_name(custom.type, custom.subtype))));
    (void)json_object_set_new(call->answer, "CustomTemplate", answer);
    return KN_OK;
}

struct update {
    const char *id, *name, *config; // name and config: NULL leaves them
    const json_t *parsed;
};

static kn_code custom_update(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct update *update = context;
    struct kn_stmt *stmt;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &stmt, err, "SELECT " COLUMNS " FROM template WHERE id = ?", "s",
                             update->id);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc == KN_OK && !has_row)
        rc = not_found(err, update->id);
    if (rc == KN_OK && update->parsed) {
        struct custom row = custom_of_row(stmt);
        rc = kn_template_check(row.type, row.subtype, update->parsed, err);
    }
    if (rc != KN_OK)
        return rc;
    return kn_tx_run(tx, NULL, err,
                     "UPDATE template SET name = COALESCE(?, name), config = COALESCE(?, config), "
                     "modified_us = ? WHERE id = ?",
                     "ssis", update->name, update->config, kn_now_us(), update->id);
}

kn_code kn_ice_update_custom_template(struct kn_call *call, struct kn_error *err)
{
    struct update update = {
        .id = kn_arg_text(call, "TemplateId"),
        .name = kn_arg_text(call, "Name"),
        .config = kn_arg_source(call, "TemplateConfig"),
        .parsed = kn_arg_json(call, "TemplateConfig"),
    };
    kn_code rc = kn_call_write(call, custom_update, &update, err);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}

static kn_code custom_delete(struct kn_tx *tx, void *context, struct kn_error *err)
{
    int64_t n = 0;
    kn_code rc = kn_tx_run(tx, &n, err, "DELETE FROM template WHERE id = ?", "s", context);
    return rc == KN_OK && n == 0 ? not_found(err, context) : rc;
}

kn_code kn_ice_delete_custom_template(struct kn_call *call, struct kn_error *err)
{
    kn_code rc =
        kn_call_write(call, custom_delete, (void *)kn_arg_text(call, "TemplateId"), err);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}

static kn_code custom_set_default(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const char *id = context;
    int64_t n = 0;
    kn_code rc = kn_tx_run(
        tx, &n, err,
        "UPDATE template SET is_default = CASE WHEN id = ? THEN 1 ELSE 0 END "
        "WHERE id = ? OR (is_default = 1 "
        "AND type = (SELECT type FROM template WHERE id = ?) "
        "AND subtype = (SELECT subtype FROM template WHERE id = ?))",
        "ssss", id, id, id, id);
    return rc == KN_OK && n == 0 ? not_found(err, id) : rc;
}

kn_code kn_ice_set_default_custom_template(struct kn_call *call, struct kn_error *err)
{
    kn_code rc =
        kn_call_write(call, custom_set_default, (void *)kn_arg_text(call, "TemplateId"), err);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}

/* ---- get ---- */

struct get {
    const char *id; // NULL: the default of type and subtype
    int64_t type, subtype;
    json_t *out; // owned
};

static kn_code custom_get(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct get *get = context;
    struct kn_stmt *stmt;
    bool has_row = false;
    kn_code rc;
    if (get->id)
        rc = kn_tx_query(tx, &stmt, err, "SELECT " COLUMNS " FROM template WHERE id = ?", "s",
                         get->id);
    else
        rc = kn_tx_query(tx, &stmt, err,
                         "SELECT " COLUMNS " FROM template WHERE is_default = 1 AND type = ? "
                         "AND (subtype = ? OR ? = 0) ORDER BY subtype LIMIT 1",
                         "iii", get->type, get->subtype, get->subtype);
    if (rc == KN_OK)
        rc = kn_stmt_step(stmt, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return not_found(err, get->id ? get->id : "default");
    struct custom row = custom_of_row(stmt);
    json_decref(get->out);
    get->out = custom_json(&row);
    return KN_OK;
}

kn_code kn_ice_get_custom_template(struct kn_call *call, struct kn_error *err)
{
    struct get get = {
        .id = kn_arg_text(call, "TemplateId"),
        .type = kn_arg_int(call, "Type", 0),
        .subtype = kn_arg_int(call, "Subtype", 0),
    };
    if (!get.id && get.type == 0)
        return kn_fail_as(err, KN_EINVAL, "MissingParameter", "'TemplateId' is not supplied");
    kn_code rc = kn_call_read(call, custom_get, &get, err);
    if (rc == KN_OK)
        (void)json_object_set(call->answer, "CustomTemplate", get.out);
    json_decref(get.out);
    return rc;
}

static kn_code system_json(size_t i, json_t **out, struct kn_error *err)
{
    kn_auto(kn_template_clear) struct kn_template template = {0};
    kn_code rc = kn_template_system(&template, i, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_free) char *config = kn_json_text(template.config);
    *out = template_json(template.id, template.name, template.type, template.subtype,
                         text_or_empty(config));
    return KN_OK;
}

kn_code kn_ice_get_system_template(struct kn_call *call, struct kn_error *err)
{
    const char *id = kn_arg_text(call, "TemplateId");
    for (size_t i = 0; i < kn_template_system_count(); i++) {
        json_auto_t *found = NULL;
        kn_code rc = system_json(i, &found, err);
        if (rc != KN_OK)
            return rc;
        if (strcmp(kn_json_get(found, "TemplateId", ""), id) == 0) {
            (void)json_object_set(call->answer, "SystemTemplate", found);
            return KN_OK;
        }
    }
    return not_found(err, id);
}

/* ---- lists ---- */

/* What both lists filter and page by. */
struct listing {
    bool has_type[KN_TEMPLATE_AI_LABEL + 1];
    int64_t subtype; // 0: any
    const char *id, *name;
    int64_t first, limit; // of the matches, from 0
    bool oldest_first;
    int64_t n_matches;
    json_t *page; // owned
};

static kn_code listing_read(struct kn_call *call, struct listing *listing, struct kn_error *err)
{
    *listing = (struct listing){
        .subtype = kn_arg_int(call, "Subtype", 0),
        .id = kn_arg_text(call, "TemplateId"),
        .name = kn_arg_text(call, "Name"),
        .limit = kn_arg_int(call, "PageSize", 20),
        .oldest_first = kn_arg_text(call, "OrderBy") &&
                        kn_ends_with(kn_arg_text(call, "OrderBy"), "Asc"),
        .page = json_array(),
    };
    listing->first = (kn_arg_int(call, "PageNumber", 1) - 1) * listing->limit;
    for (const char *at = kn_arg_text(call, "Type"); *at;) {
        char number[8];
        size_t n = strcspn(at, ",");
        int64_t type = 0;
        if (n < sizeof(number)) {
            memcpy(number, at, n);
            number[n] = '\0';
            kn_trim(number);
        }
        if (n >= sizeof(number) || !kn_parse_int(number, 1, KN_TEMPLATE_AI_LABEL, &type))
            return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                              "'Type' is not a list of template types");
        listing->has_type[type] = true;
        at += n + (at[n] == ',');
    }
    return KN_OK;
}

static bool listing_matches(const struct listing *listing, const char *id, const char *name,
                            int type, int subtype)
{
    return type >= 0 && type <= KN_TEMPLATE_AI_LABEL && listing->has_type[type] &&
           (listing->subtype == 0 || listing->subtype == subtype) &&
           (!listing->id || strcmp(listing->id, id) == 0) &&
           (!listing->name || strstr(name, listing->name));
}

/* Count a match; whether it lies on the page. */
static bool listing_takes(struct listing *listing)
{
    int64_t at = listing->n_matches++;
    return at >= listing->first && at < listing->first + listing->limit;
}

static void listing_answer(struct kn_call *call, struct listing *listing, const char *name)
{
    (void)json_object_set_new(call->answer, "Total", json_integer(listing->n_matches));
    (void)json_object_set(call->answer, name, listing->page);
}

// A house has dozens of templates, at most hundreds: filtering here keeps one statement for all the
// filters there are.
static kn_code custom_list(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct listing *listing = context;
    struct kn_stmt *stmt;
    listing->n_matches = 0;
    (void)json_array_clear(listing->page);
    kn_code rc = kn_tx_prepare(
        tx, &stmt,
        listing->oldest_first ? "SELECT " COLUMNS " FROM template ORDER BY created_us, id"
                              : "SELECT " COLUMNS " FROM template ORDER BY created_us DESC, id DESC",
        err);
    bool has_row = true;
    while (rc == KN_OK && (rc = kn_stmt_step(stmt, &has_row, err)) == KN_OK && has_row) {
        struct custom row = custom_of_row(stmt);
        if (listing_matches(listing, row.id, row.name, row.type, row.subtype) &&
            listing_takes(listing))
            (void)json_array_append_new(listing->page, custom_json(&row));
    }
    return rc;
}

kn_code kn_ice_list_custom_templates(struct kn_call *call, struct kn_error *err)
{
    struct listing listing;
    kn_code rc = listing_read(call, &listing, err);
    if (rc == KN_OK)
        rc = kn_call_read(call, custom_list, &listing, err);
    if (rc == KN_OK)
        listing_answer(call, &listing, "CustomTemplateList");
    json_decref(listing.page);
    return rc;
}

kn_code kn_ice_list_system_templates(struct kn_call *call, struct kn_error *err)
{
    struct listing listing;
    kn_code rc = listing_read(call, &listing, err);
    // All system templates are Normal here: none are kept from sight.
    bool has_any = !kn_equal(kn_arg_text(call, "Status"), "Invisible");
    for (size_t i = 0; rc == KN_OK && has_any && i < kn_template_system_count(); i++) {
        json_auto_t *one = NULL;
        rc = system_json(i, &one, err);
        if (rc == KN_OK &&
            listing_matches(&listing, kn_json_get(one, "TemplateId", ""),
                            kn_json_get(one, "TemplateName", ""),
                            (int)json_integer_value(json_object_get(one, "Type")),
                            (int)json_integer_value(json_object_get(one, "Subtype"))) &&
            listing_takes(&listing))
            (void)json_array_append(listing.page, one);
    }
    if (rc == KN_OK)
        listing_answer(call, &listing, "SystemTemplateList");
    json_decref(listing.page);
    return rc;
}
