/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Configuration. Every setting is a row of `settings`; the three sources write texts into one table
 * of values, weakest first, and the texts are turned into the struct once at the end, so that a
 * number is checked in one place whichever way it came.
 */
#include "server/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cyaml/cyaml.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"

#define MAX_LIST 16 // values of one repeatable setting: more listeners or patterns than anyone has

enum kind { TEXT = 0, LIST, NUMBER };

struct setting {
    const char *name; // YAML spelling
    enum kind kind;
    const char *otherwise; // default; NULL: none
    const char *argument;  // for --help
    const char *meaning;
    int64_t min, max;      // NUMBER
};

// Order is that of --help. `at()` finds a row by name, so order carries no meaning in the code.
static const struct setting settings[] = {
    {"data", TEXT, "./kinora-data", "DIR", "database, local buckets, scratch, credentials", 0, 0},
    {"listen", LIST, "127.0.0.1:8800", "[SCHEME://]HOST:PORT", "the RPC API; may repeat", 0, 0},
    {"oss_listen", LIST, "127.0.0.1:8801", "[SCHEME://]HOST:PORT", "the object store", 0, 0},
    {"mns_listen", LIST, "127.0.0.1:8802", "[SCHEME://]HOST:PORT", "queues and topics", 0, 0},
    {"database", TEXT, NULL, "URL", "sqlite:DATA/kinora.db, or postgresql://…", 0, 0},
    {"storage", TEXT, NULL, "URL", "file:DATA/buckets, or s3://BUCKET[/PREFIX]", 0, 0},
    {"storage_endpoint", TEXT, NULL, "URL", "of the S3 store, http://minio:9000 (AWS)", 0, 0},
    {"storage_region", TEXT, NULL, "NAME", "what its signatures carry (us-east-1)", 0, 0},
    {"storage_key_id", TEXT, NULL, "ID", "the key to it", 0, 0},
    {"storage_key_secret", TEXT, NULL, "SECRET", "better in the environment or kinora.yaml: other "
     "users of the machine see flags", 0, 0},
    {"storage_key_token", TEXT, NULL, "TOKEN", "for temporary keys", 0, 0},
    {"workers", NUMBER, NULL, "N", "jobs run at once on this machine (half the cores)", 0, 1024},
    {"public_api", TEXT, NULL, "URL", "how clients reach the API", 0, 0},
    {"public_oss", TEXT, NULL, "URL", "how clients reach the object store", 0, 0},
    {"public_mns", TEXT, NULL, "URL", "how clients reach the queues", 0, 0},
    {"region", TEXT, "cn-shanghai", "NAME", "what ids, hosts and events carry", 0, 0},
    {"account_id", TEXT, "1000000000000001", "ID", "likewise", 0, 0},
    {"allow_url_host", LIST, NULL, "PATTERN", "hosts beyond public addresses that inputs and "
     "callbacks may reach; may repeat", 0, 0},
    {"tls", TEXT, NULL, "auto", "make and keep a local certificate authority", 0, 0},
    {"tls_cert", TEXT, NULL, "FILE", "certificate chain (PEM)", 0, 0},
    {"tls_key", TEXT, NULL, "FILE", "its private key (PEM)", 0, 0},
    {"worker_program", TEXT, NULL, "FILE", "kinora-worker, when it lies elsewhere", 0, 0},
    {"max_queued_jobs", NUMBER, "1000000", "N", "submits are throttled while more jobs wait", 1,
     INT64_C(1) << 40},
    {"keep_jobs_days", NUMBER, "30", "N", "finished jobs are forgotten after this", 1, 36500},
    {"keep_tasks_days", NUMBER, "7", "N", "IMM's tasks after this", 1, 36500},
    {"imm_message", TEXT, "envelope", "envelope|content", "IMM's message in the envelope of events, or, as in 2024, "
     "without", 0, 0},
    {"keep_events_days", NUMBER, "7", "N", "acknowledged events likewise", 1, 36500},
    {"job_memory_mb", NUMBER, "8192", "N", "a job that needs more is stopped, and says so", 64,
     INT64_C(1) << 30},
    {"job_stall_seconds", NUMBER, "600", "N", "likewise without progress for so long", 1, 31536000},
    {"job_limit_seconds", NUMBER, "172800", "N", "likewise whatever it does", 1, 31536000},
    {"drain_seconds", NUMBER, "30", "N", "after SIGTERM, before running jobs go back to the queue", 0,
     86400},
    {"cache_limit_mb", NUMBER, "10240", "N", "caches and intermediates are evicted beyond", 0,
     INT64_C(1) << 40},
};
#define N_SETTINGS KN_COUNT(settings)

// What was said about each setting so far, by the strongest source that spoke.
struct said {
    const char *values[MAX_LIST]; // in the arena
    size_t n;
    const char *where;            // "--listen", "KINORA_LISTEN", "kinora.yaml"
};

static kn_code add(struct said *said, struct kn_arena *arena, const char *value, size_t n,
                   const char *where, struct kn_error *err)
{
    if (said->n == MAX_LIST)
        return kn_fail(err, KN_EINVAL, "%s is given more than %d times", where, MAX_LIST);
    said->values[said->n] = kn_arena_strndup(arena, value, n);
    said->where = where;
    if (!said->values[said->n++])
        return kn_fail(err, KN_ENOMEM, "no memory for the configuration");
    return KN_OK;
}

/* ---- kinora.yaml ---- */

// libcyaml fills a struct from a schema; ours is an array of sequences of texts, one per setting.
// A single text where a sequence stands is not YAML's business, so TEXT and NUMBER rows have a
// schema of their own.
struct yaml_list {
    char **texts;
    unsigned n;
};
struct yaml_row {
    char *text;
    struct yaml_list list;
};

static const cyaml_schema_value_t yaml_text = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static void yaml_schema_fill(cyaml_schema_field_t fields[N_SETTINGS + 1])
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        cyaml_schema_field_t *f = &fields[i];
        *f = (cyaml_schema_field_t){.key = settings[i].name};
        size_t at = i * sizeof(struct yaml_row);
        if (settings[i].kind == LIST) {
            f->data_offset = (uint32_t)(at + offsetof(struct yaml_row, list.texts));
            f->count_offset = (uint32_t)(at + offsetof(struct yaml_row, list.n));
            f->count_size = sizeof(unsigned);
            f->value = (cyaml_schema_value_t){
                .type = CYAML_SEQUENCE,
                .flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER,
                .data_size = sizeof(char *),
                .sequence = {.entry = &yaml_text, .min = 0, .max = MAX_LIST},
            };
        } else {
            f->data_offset = (uint32_t)(at + offsetof(struct yaml_row, text));
            f->value = (cyaml_schema_value_t){
                .type = CYAML_STRING,
                .flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER,
                .data_size = sizeof(char),
                .string = {.min = 0, .max = CYAML_UNLIMITED},
            };
        }
    }
    fields[N_SETTINGS] = (cyaml_schema_field_t){.key = NULL};
}

// The library's last complaint, for our sentence (it names line and key).
static void yaml_log(cyaml_log_t level, void *context, const char *fmt, va_list args)
{
    char *line = context;
    if (level >= CYAML_LOG_ERROR && line[0] == '\0') {
        (void)vsnprintf(line, 200, fmt, args);
        kn_trim(line);
    }
}

static kn_code yaml_read(struct said said[N_SETTINGS], struct kn_arena *arena, const char *path,
                         struct kn_error *err)
{
    char complaint[200] = "";
    const cyaml_config_t how = {.log_fn = yaml_log,
                                .log_ctx = complaint,
                                .mem_fn = cyaml_mem,
                                .log_level = CYAML_LOG_ERROR};
    cyaml_schema_field_t fields[N_SETTINGS + 1];
    yaml_schema_fill(fields);
    const cyaml_schema_value_t top = {
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = sizeof(struct yaml_row) * N_SETTINGS,
        .mapping = {.fields = fields},
    };
    cyaml_data_t *data = NULL;
    cyaml_err_t yaml = cyaml_load_file(path, &how, &top, &data, NULL);
    if (yaml != CYAML_OK)
        return kn_fail(err, KN_EINVAL, "cannot read '%s': %s%s%s", path, cyaml_strerror(yaml),
                       complaint[0] ? ": " : "", complaint);
    struct yaml_row *rows = (struct yaml_row *)data;
    kn_code rc = KN_OK;
    for (size_t i = 0; i < N_SETTINGS && rows && rc == KN_OK; i++) {
        const char *where = kn_arena_printf(arena, "'%s' in %s", settings[i].name, path);
        if (rows[i].text)
            rc = add(&said[i], arena, rows[i].text, strlen(rows[i].text), where, err);
        for (unsigned k = 0; k < rows[i].list.n && rc == KN_OK; k++)
            rc = add(&said[i], arena, rows[i].list.texts[k], strlen(rows[i].list.texts[k]), where,
                     err);
    }
    (void)cyaml_free(&how, &top, data, 0);
    return rc;
}

/* ---- the environment ---- */

static kn_code environment_read(struct said said[N_SETTINGS], struct kn_arena *arena,
                                struct kn_error *err)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        char *name = kn_arena_printf(arena, "KINORA_%s", settings[i].name);
        if (!name)
            return kn_fail(err, KN_ENOMEM, "no memory for the configuration");
        for (char *c = name; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        const char *value = getenv(name);
        if (!value || !value[0])
            continue;
        said[i].n = 0;
        while (*value) {
            size_t n = settings[i].kind == LIST ? strcspn(value, ",") : strlen(value);
            kn_code rc = add(&said[i], arena, value, n, name, err);
            if (rc != KN_OK)
                return rc;
            value += n + (value[n] == ',');
        }
    }
    return KN_OK;
}

/* ---- flags ---- */

// The row a flag "--oss-listen" or "--oss-listen=…" names, or -1.
static int setting_of_flag(const char *flag, size_t n)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const char *name = settings[i].name;
        size_t k = 0;
        while (k < n && name[k] && (flag[k] == name[k] || (flag[k] == '-' && name[k] == '_')))
            k++;
        if (k == n && name[k] == '\0')
            return (int)i;
    }
    return -1;
}

static kn_code flags_read(struct said said[N_SETTINGS], struct kn_arena *arena, int argc,
                          const char *const *argv, struct kn_error *err)
{
    bool is_fresh[N_SETTINGS];
    memset(is_fresh, true, sizeof(is_fresh));
    for (int i = 1; i < argc; i++) {
        if (!kn_starts_with(argv[i], "--"))
            return kn_fail(err, KN_EINVAL, "'%s' is not expected here", argv[i]);
        const char *flag = argv[i] + 2;
        size_t n = strcspn(flag, "=");
        const char *value = flag[n] == '=' ? flag + n + 1 : i + 1 < argc ? argv[i + 1] : NULL;
        int row = setting_of_flag(flag, n);
        bool is_config = n == 6 && strncmp(flag, "config", n) == 0;
        if (row < 0 && !is_config)
            return kn_fail(err, KN_EINVAL, "there is no option '--%.*s'", (int)n, flag);
        if (!value)
            return kn_fail(err, KN_EINVAL, "'--%s' needs a value", flag);
        i += flag[n] != '=';
        if (is_config)
            continue; // read before all others
        if (is_fresh[row] || settings[row].kind != LIST)
            said[row].n = 0;
        is_fresh[row] = false;
        const char *where = kn_arena_printf(arena, "--%.*s", (int)n, flag);
        kn_code rc = add(&said[row], arena, value, strlen(value), where, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

static const char *config_file(int argc, const char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        if (kn_starts_with(argv[i], "--config="))
            return argv[i] + strlen("--config=");
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    const char *named = getenv("KINORA_CONFIG");
    if (named && named[0])
        return named;
    return kn_fs_exists("kinora.yaml") ? "kinora.yaml" : NULL;
}

/* ---- from texts to the struct ---- */

static const struct said *at(const struct said said[N_SETTINGS], const char *name)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &said[i];
    abort(); // a name this file misspells
}

static const char *text_of(const struct said said[N_SETTINGS], const char *name)
{
    const struct said *s = at(said, name);
    return s->n > 0 && s->values[0][0] ? s->values[0] : NULL;
}

static const char *const *list_of(const struct said said[N_SETTINGS], const char *name,
                                  struct kn_arena *arena)
{
    const struct said *s = at(said, name);
    const char **list = kn_arena_array(arena, s->n + 1, sizeof(*list));
    for (size_t i = 0; list && i < s->n; i++)
        list[i] = s->values[i];
    return list;
}

static kn_code numbers_check(const struct said said[N_SETTINGS], struct kn_error *err)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        int64_t value;
        const struct setting *s = &settings[i];
        if (s->kind != NUMBER || said[i].n == 0 ||
            kn_parse_int(said[i].values[0], s->min, s->max, &value))
            continue;
        return kn_fail(err, KN_EINVAL, "%s is '%s', but must be a whole number from %lld to %lld",
                       said[i].where, said[i].values[0], (long long)s->min, (long long)s->max);
    }
    return KN_OK;
}

static int64_t number_of(const struct said said[N_SETTINGS], const char *name, int64_t otherwise)
{
    const char *text = text_of(said, name);
    int64_t value = otherwise;
    if (text)
        (void)kn_parse_int(text, INT64_MIN, INT64_MAX, &value); // numbers_check() looked at it
    return value;
}

static kn_code struct_fill(struct kn_config *config, const struct said said[N_SETTINGS],
                           struct kn_error *err)
{
    struct kn_arena *arena = &config->arena;
    kn_code rc = numbers_check(said, err);
    if (rc != KN_OK)
        return rc;
    long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    config->data = text_of(said, "data");
    config->listen = list_of(said, "listen", arena);
    config->oss_listen = list_of(said, "oss_listen", arena);
    config->mns_listen = list_of(said, "mns_listen", arena);
    config->database = text_of(said, "database");
    if (!config->database)
        config->database = kn_arena_printf(arena, "sqlite:%s/kinora.db", config->data);
    config->storage = text_of(said, "storage");
    config->storage_endpoint = text_of(said, "storage_endpoint");
    config->storage_region = text_of(said, "storage_region");
    config->storage_key_id = text_of(said, "storage_key_id");
    config->storage_key_secret = text_of(said, "storage_key_secret");
    config->storage_key_token = text_of(said, "storage_key_token");
    if (!config->storage)
        config->storage = kn_arena_printf(arena, "file:%s/buckets", config->data);
    config->n_workers = (int)number_of(said, "workers", n_cores > 2 ? n_cores / 2 : 1);
    config->public_api = text_of(said, "public_api");
    config->public_oss = text_of(said, "public_oss");
    config->public_mns = text_of(said, "public_mns");
    config->region = text_of(said, "region");
    config->account_id = text_of(said, "account_id");
    config->allow_url_hosts = list_of(said, "allow_url_host", arena);
    config->tls = text_of(said, "tls");
    config->tls_cert = text_of(said, "tls_cert");
    config->tls_key = text_of(said, "tls_key");
    config->worker_program = text_of(said, "worker_program");
    config->max_queued_jobs = number_of(said, "max_queued_jobs", 0);
    config->imm_message = text_of(said, "imm_message");
    config->keep_jobs_days = number_of(said, "keep_jobs_days", 0);
    config->keep_tasks_days = number_of(said, "keep_tasks_days", 0);
    config->keep_events_days = number_of(said, "keep_events_days", 0);
    config->job_memory_mb = number_of(said, "job_memory_mb", 0);
    config->job_stall_seconds = number_of(said, "job_stall_seconds", 0);
    config->job_limit_seconds = number_of(said, "job_limit_seconds", 0);
    config->drain_seconds = number_of(said, "drain_seconds", 0);
    config->cache_limit_mb = number_of(said, "cache_limit_mb", 0);
    if (!config->listen || !config->oss_listen || !config->mns_listen ||
        !config->allow_url_hosts || !config->database || !config->storage)
        return kn_fail(err, KN_ENOMEM, "no memory for the configuration");
    int64_t id;
    if (!kn_parse_int(config->account_id, 1, INT64_MAX, &id))
        return kn_fail(err, KN_EINVAL, "%s is '%s', but must be a number, such as %s",
                       at(said, "account_id")->where, config->account_id, "1000000000000001");
    if (config->tls && strcmp(config->tls, "auto") != 0)
        return kn_fail(err, KN_EINVAL, "%s is '%s'; the only value known is 'auto'",
                       at(said, "tls")->where, config->tls);
    if (strcmp(config->imm_message, "envelope") != 0 && strcmp(config->imm_message, "content") != 0)
        return kn_fail(err, KN_EINVAL, "%s is '%s', neither 'envelope' nor 'content'", at(said, "imm_message")->where,
                       config->imm_message);
    if (!config->tls_cert != !config->tls_key)
        return kn_fail(err, KN_EINVAL, "tls_cert and tls_key belong together; only one is given");
    return KN_OK;
}

kn_code kn_config_load(struct kn_config *config, int argc, const char *const *argv, bool *out_help,
                       struct kn_error *err)
{
    *config = (struct kn_config){0};
    *out_help = false;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return *out_help = true, KN_OK;

    struct said said[N_SETTINGS] = {0};
    kn_code rc = KN_OK;
    for (size_t i = 0; i < N_SETTINGS && rc == KN_OK; i++)
        if (settings[i].otherwise)
            rc = add(&said[i], &config->arena, settings[i].otherwise,
                     strlen(settings[i].otherwise), "the default", err);
    const char *file = config_file(argc, argv);
    if (rc == KN_OK && file) {
        struct said from_file[N_SETTINGS] = {0};
        rc = yaml_read(from_file, &config->arena, file, err);
        for (size_t i = 0; i < N_SETTINGS; i++)
            if (from_file[i].n > 0)
                said[i] = from_file[i];
    }
    if (rc == KN_OK)
        rc = environment_read(said, &config->arena, err);
    if (rc == KN_OK)
        rc = flags_read(said, &config->arena, argc, argv, err);
    if (rc == KN_OK)
        rc = struct_fill(config, said, err);
    if (rc != KN_OK)
        kn_config_clear(config);
    return rc;
}

struct kn_store_config kn_config_store(const struct kn_config *config)
{
    return (struct kn_store_config){
        .url = config->storage,
        .region = config->region,
        .owner_id = config->account_id,
        .endpoint = config->storage_endpoint,
        .storage_region = config->storage_region,
        .key_id = config->storage_key_id,
        .key_secret = config->storage_key_secret,
        .key_token = config->storage_key_token,
    };
}

void kn_config_clear(struct kn_config *config)
{
    kn_arena_clear(&config->arena);
    *config = (struct kn_config){0};
}

void kn_config_help(FILE *out)
{
    (void)fprintf(out, "  --config FILE\n        settings in YAML; ./kinora.yaml when it is there\n");
    for (size_t i = 0; i < N_SETTINGS; i++) {
        char flag[64];
        (void)kn_copy(flag, sizeof(flag), settings[i].name);
        for (char *c = flag; *c; c++)
            *c = *c == '_' ? '-' : *c;
        (void)fprintf(out, "  --%s %s\n        %s", flag, settings[i].argument,
                      settings[i].meaning);
        if (settings[i].otherwise)
            (void)fprintf(out, " (%s)", settings[i].otherwise);
        (void)fputc('\n', out);
    }
}
