/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora convert: feature 2 on files, without a server. The options become the same Config that the
 * wire carries (spec 02, section 5), so that both go one way from there.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/suggest.h"
#include "cli/table.h"
#include "cli/worker_program.h"
#include "features/convert/canonical.h"
#include "features/convert/language.h"
#include "features/convert/template.h"
#include "http/client.h"
#include "supervisor/local.h"
#include "supervisor/remote_input.h"

#define MAX_TRACKS 32
#define MAX_TEMPLATES 32

struct track {
    char language[16];
    const char *path;
};

struct options {
    const char *input, *job, *out;
    struct track audios[MAX_TRACKS];
    size_t n_audios;
    const char *templates[MAX_TEMPLATES];
    size_t n_templates;
    int64_t n_threads;
    bool is_json, drops_original, overwrites, wants_templates, wants_help;
};

static void help_print(void)
{
    (void)puts(
        "usage: kinora convert INPUT [OPTIONS] --template NAME… -o FOLDER/\n"
        "       kinora convert --job FILE\n"
        "       kinora convert --list-templates\n\n"
        "Convert a film, with as many audio tracks as you like; one decode for all outputs.\n\n"
        "options\n"
        "  --audio [LANG=]FILE   add an audio track, in this language (ISO 639-2); may repeat\n"
        "  --drop-original       leave the film's own sound out\n"
        "  --template NAME       make one output after this template; may repeat\n"
        "  --list-templates      what NAME can be\n"
        "  -o, --output PATH     folder for the outputs ('out/'), or the file when there is one, whose\n"
        "                        extension then chooses the container\n"
        "  --overwrite           replace outputs that exist; without it nothing is ever replaced\n"
        "  --job FILE            a Config as SubmitMediaConvertJob takes it, with paths for addresses\n"
        "  --threads N           cores to use; all of them when not given\n"
        "  --json                print the result as JSON\n"
        "  --help\n\n"
        "examples\n"
        "  kinora convert in.mp4 --template Video-720P -o out/\n"
        "  kinora convert in.mp4 --audio eng=en.m4a --audio jpn=ja.mka \\\n"
        "      --template Video-360P --template Video-720P -o out/\n"
        "  kinora convert --job job.json --json");
}

/* ---- options ---- */

static int audio_add(struct options *options, const char *text)
{
    if (options->n_audios == MAX_TRACKS)
        return kn_cli_usage("convert", "more than %d audio tracks", MAX_TRACKS);
    struct track *track = &options->audios[options->n_audios++];
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : 0;
    *track = (struct track){.path = text};
    // "eng=en.m4a"; a name with '=' further on, or before a '/', is a name.
    if (!equals || n < 2 || n >= sizeof(track->language) || memchr(text, '/', n))
        return KN_EXIT_OK;
    char code[4];
    memcpy(track->language, text, n);
    track->path = equals + 1;
    if (kn_language_normalize(code, track->language))
        return KN_EXIT_OK;
    return kn_cli_usage("convert", "--audio '%s': '%s' is no ISO 639 code of a language, such as eng",
                        text, track->language);
}

// KN_EXIT_OK, or the status to leave with.
static int options_read(struct options *options, int argc, char **argv)
{
    enum { AUDIO = 256, TEMPLATE, TEMPLATES, JOB, THREADS, JSON, DROP, OVERWRITE, HELP };
    static const struct option longs[] = {
        {"audio", required_argument, NULL, AUDIO},   {"template", required_argument, NULL, TEMPLATE},
        {"output", required_argument, NULL, 'o'},    {"job", required_argument, NULL, JOB},
        {"threads", required_argument, NULL, THREADS}, {"json", no_argument, NULL, JSON},
        {"drop-original", no_argument, NULL, DROP},  {"help", no_argument, NULL, HELP},
        {"overwrite", no_argument, NULL, OVERWRITE}, {"list-templates", no_argument, NULL, TEMPLATES},
        {NULL, 0, NULL, 0},
    };
    int status = KN_EXIT_OK, c;
    opterr = 0;
    while (status == KN_EXIT_OK && (c = getopt_long(argc, argv, ":o:h", longs, NULL)) != -1) {
        switch (c) {
        case AUDIO: status = audio_add(options, optarg); break;
        case TEMPLATE:
            if (options->n_templates == MAX_TEMPLATES)
                return kn_cli_usage("convert", "more than %d templates", MAX_TEMPLATES);
            options->templates[options->n_templates++] = optarg;
            break;
        case 'o': options->out = optarg; break;
        case JOB: options->job = optarg; break;
        case THREADS:
            if (!kn_parse_int(optarg, 1, 1024, &options->n_threads))
                return kn_cli_usage("convert", "--threads '%s' is no number of cores", optarg);
            break;
        case JSON: options->is_json = true; break;
        case DROP: options->drops_original = true; break;
        case OVERWRITE: options->overwrites = true; break;
        case TEMPLATES: options->wants_templates = true; break;
        case 'h':
        case HELP: options->wants_help = true; return KN_EXIT_OK;
        case ':': return kn_cli_usage("convert", "'%s' wants a value", argv[optind - 1]);
        default: return kn_cli_usage("convert", "there is no option '%s'", argv[optind - 1]);
        }
    }
    if (status != KN_EXIT_OK || options->wants_templates)
        return status;
    if (optind < argc)
        options->input = argv[optind++];
    if (optind < argc)
        return kn_cli_usage("convert", "one film at a time, not also '%s'", argv[optind]);
    if (options->job && (options->input || options->n_templates || options->n_audios))
        return kn_cli_usage("convert", "--job says it all: no input, track or template beside it");
    if (!options->job && !options->input)
        return kn_cli_usage("convert", "which film?");
    if (!options->job && !options->n_templates)
        return kn_cli_usage("convert", "--template NAME is missing; --list-templates shows them");
    if (!options->job && !options->out)
        return kn_cli_usage("convert", "where to? -o FOLDER/ is missing");
    if (!options->job && options->n_templates > 1 && !kn_ends_with(options->out, "/"))
        return kn_cli_usage("convert", "several outputs want a folder: '-o %s/'", options->out);
    return KN_EXIT_OK;
}

/* ---- options to Config ---- */

// The tracks of one output: the film's own first, then the added ones (spec 02, scenarios 1 to 3).
static json_t *audios_config(const struct options *options)
{
    json_t *audios = json_array();
    if (!options->drops_original)
        (void)json_array_append_new(audios, json_pack("{s:s}", "InputRef", "film"));
    for (size_t i = 0; i < options->n_audios; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "audio%zu", i + 1);
        json_t *audio = json_pack("{s:s}", "InputRef", name);
        if (options->audios[i].language[0])
            (void)json_object_update_new(
                audio, json_pack("{s:s, s:s}", "LanguageControl", "Configured", "Language",
                                 options->audios[i].language));
        (void)json_array_append_new(audios, audio);
    }
    return audios;
}

// "out/in-Video-720P"; the template's extension comes with the canonical form.
static char *output_path(const struct options *options, const char *template)
{
    char *path = NULL;
    if (!kn_ends_with(options->out, "/"))
        return strdup(options->out);
    const char *name = kn_fs_name(options->input), *dot = strrchr(name, '.');
    int n = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    return asprintf(&path, "%s%.*s-%s", options->out, n, name, template) < 0 ? NULL : path;
}

// The container that the name of a single output asks for; NULL leaves it to the template.
static const char *container_of(const struct options *options)
{
    static const char *const formats[] = {"mp4", "mov", "mkv", "webm", "flv", "ts",  "mxf", "m4a",
                                          "mp3", "ogg", "flac", "wav", "gif", "webp"};
    const char *dot = strrchr(kn_fs_name(options->out), '.');
    for (size_t i = 0; dot && i < KN_COUNT(formats); i++)
        if (kn_equal_nocase(dot + 1, formats[i]))
            return formats[i];
    return NULL;
}

static json_t *config_of(const struct options *options)
{
    json_t *inputs = json_array(), *outputs = json_array();
    (void)json_array_append_new(inputs, json_pack("{s:s, s:{s:s, s:s}}", "Name", "film", "InputFile",
                                                  "Type", "OSS", "Url", options->input));
    for (size_t i = 0; i < options->n_audios; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "audio%zu", i + 1);
        (void)json_array_append_new(
            inputs, json_pack("{s:s, s:{s:s, s:s}}", "Name", name, "InputFile", "Type", "OSS", "Url",
                              options->audios[i].path));
    }
    for (size_t i = 0; i < options->n_templates; i++) {
        kn_auto(kn_free) char *path = output_path(options, options->templates[i]);
        json_t *output = json_pack("{s:s, s:{s:s, s:s}, s:s}", "Name", options->templates[i],
                                   "OutputFile", "Type", "OSS", "Url", path ? path : "",
                                   "TemplateId", options->templates[i]);
        json_t *over = json_object();
        if (options->n_audios || options->drops_original)
            (void)json_object_set_new(over, "Audios", audios_config(options));
        if (container_of(options))
            (void)json_object_set_new(over, "Container",
                                      json_pack("{s:s}", "Format", container_of(options)));
        (void)json_object_set_new(output, "OverrideParams", over);
        (void)json_array_append_new(outputs, output);
    }
    return json_pack("{s:o, s:o}", "Inputs", inputs, "Outputs", outputs);
}

static kn_code config_read(json_t **out, const struct options *options, struct kn_error *err)
{
    *out = NULL;
    if (!options->job) {
        *out = config_of(options);
        return *out ? KN_OK : kn_fail(err, KN_EINVAL, "a file's name is no UTF-8");
    }
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_code rc = kn_fs_read(&text, options->job, KN_MAX_JSON_BYTES, err);
    return rc ? rc : kn_json_parse(out, kn_buf_text(&text), text.len, options->job, err);
}

/* ---- templates ---- */

// The names of the system's templates that convert; *out_names and each name are malloc'd.
static kn_code names_load(char ***out_names, size_t *out_n, struct kn_error *err)
{
    size_t n = kn_template_system_count();
    *out_n = 0;
    *out_names = calloc(n + 1, sizeof(**out_names));
    for (size_t i = 0; *out_names && i < n; i++) {
        kn_auto(kn_template_clear) struct kn_template template = {0};
        kn_code rc = kn_template_system(&template, i, err);
        if (rc != KN_OK)
            return rc;
        if (template.type != KN_TEMPLATE_TRANSCODE)
            continue;
        (*out_names)[*out_n] = strdup(template.name);
        if (!(*out_names)[(*out_n)++])
            return kn_fail(err, KN_ENOMEM, "no memory for templates");
    }
    return *out_names ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for templates");
}

static void names_free(char ***names)
{
    for (char **at = *names; at && *at; at++)
        free(*at);
    kn_free(names);
}

// An unknown template is the likeliest slip: it is answered with the names that are near.
static kn_code templates_check(const struct options *options, struct kn_error *err)
{
    for (size_t i = 0; i < options->n_templates; i++) {
        kn_auto(kn_template_clear) struct kn_template template = {0};
        kn_code rc = kn_template_find(&template, options->templates[i], NULL, err);
        if (rc == KN_OK)
            continue;
        kn_auto(names_free) char **names = NULL;
        kn_auto(kn_buf_clear) struct kn_buf near = {0};
        size_t n = 0;
        rc = names_load(&names, &n, err);
        if (rc != KN_OK)
            return rc;
        kn_suggest(&near, options->templates[i], "", (const char *const *)names, n);
        return kn_fail_as(err, KN_EINVAL, "TemplateNotFound", "there is no template '%s'%s",
                          options->templates[i], kn_buf_text(&near));
    }
    return KN_OK;
}

static json_t *template_row(const struct kn_template *template)
{
    static const char *const parts[] = {"Container", "Video", "Audio"};
    const char *subtype = kn_template_subtype_name(template->type, template->subtype);
    json_t *row = json_pack("{s:s, s:s, s:s}", "Name", template->name, "TemplateId", template->id,
                            "Kind", subtype ? subtype : "");
    for (size_t i = 0; i < KN_COUNT(parts); i++) {
        json_t *part = json_object_get(template->config, parts[i]);
        if (part)
            (void)json_object_set(row, parts[i], part);
    }
    return row;
}

static int templates_list(bool as_json)
{
    static const struct kn_column columns[] = {
        {"TEMPLATE", "Name"},         {"KIND", "Kind"},          {"CONTAINER", "Container.Format"},
        {"VIDEO", "Video.Codec"},     {"WIDTH", "Video.Width"},  {"HEIGHT", "Video.Height"},
        {"KBIT/S", "Video.Bitrate"},  {"AUDIO", "Audio.Codec"},  {"KBIT/S", "Audio.Bitrate"},
        {NULL, NULL},
    };
    struct kn_error err = {0};
    json_auto_t *rows = json_array();
    for (size_t i = 0; i < kn_template_system_count(); i++) {
        kn_auto(kn_template_clear) struct kn_template template = {0};
        if (kn_template_system(&template, i, &err) != KN_OK)
            return kn_cli_fail(&err, NULL);
        if (template.type == KN_TEMPLATE_TRANSCODE)
            (void)json_array_append_new(rows, template_row(&template));
    }
    if (as_json)
        kn_cli_print_json(rows);
    else
        kn_table_print(rows, columns, "templates");
    return KN_EXIT_OK;
}

/* ---- the run ---- */

// Said before hours of work rather than after; the run itself refuses once more.
static kn_code outputs_check(const json_t *outputs, struct kn_error *err)
{
    size_t i;
    json_t *output;
    json_array_foreach((json_t *)outputs, i, output)
    {
        const char *uri = kn_json_get(output, "Uri", NULL);
        if (uri && kn_fs_exists(uri))
            return kn_fail_as(err, KN_ECONFLICT, "OutputExists", "'%s' exists already", uri);
        kn_code rc = outputs_check(json_object_get(output, "Outputs"), err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

static kn_code spec_make(json_t **out, const struct options *options, struct kn_error *err)
{
    json_auto_t *config = NULL;
    const struct kn_convert_site site = {.may_name_paths = true};
    kn_code rc = templates_check(options, err);
    if (rc == KN_OK)
        rc = config_read(&config, options, err);
    if (rc == KN_OK)
        rc = kn_convert_canonical(out, config, &site, err);
    if (rc == KN_OK && !options->overwrites)
        rc = outputs_check(json_object_get(*out, "Outputs"), err);
    if (rc == KN_OK && !options->overwrites)
        rc = outputs_check(json_object_get(*out, "OutputGroups"), err);
    return rc;
}

static void on_progress(void *context, double fraction, const char *detail)
{
    (void)detail;
    // 1.0 would end the bar: the end is told once all is published.
    kn_cli_progress(context, fraction < 0.999 ? fraction : 0.999);
}

static void outputs_print(const json_t *result)
{
    size_t i, j;
    const json_t *group, *output;
    json_array_foreach(json_object_get(result, "Outputs"), i, output)
        (void)puts(kn_json_get(output, "Uri", ""));
    json_array_foreach(json_object_get(result, "OutputGroups"), i, group)
        json_array_foreach(json_object_get(group, "Outputs"), j, output)
            (void)puts(kn_json_get(output, "Uri", ""));
}

static kn_code convert(const struct options *options, json_t **out_result, struct kn_error *err)
{
    json_auto_t *spec = NULL;
    kn_auto(kn_free) char *program = kn_worker_program();
    kn_code rc = spec_make(&spec, options, err);
    if (rc)
        return rc;
    // Public addresses only: a playlist from outside must not reach into this network.
    kn_auto(kn_http_client_free) struct kn_http_client *client = NULL;
    const struct kn_http_client_config rules = {0};
    rc = kn_http_client_new(&client, &rules, err);
    if (rc)
        return rc;
    const struct kn_local_config local = {
        .client = client,
        .open_url = kn_http_input_open,
        .program = program ? program : "kinora-worker",
        .n_threads = (int)options->n_threads,
        .catches_signals = true,
        .keeps_existing = !options->overwrites,
        .progressed = on_progress,
        .context = (char[]){"converting"},
    };
    return kn_local_run(&local, "convert", spec, out_result, err);
}

static const char *advice_of(const struct kn_error *err)
{
    if (strcmp(err->reason, "TemplateNotFound") == 0)
        return "'kinora convert --list-templates' shows all";
    if (strcmp(err->reason, "OutputExists") == 0)
        return "give --overwrite to replace it, or another -o";
    switch (err->code) {
    case KN_EINVAL: return "see 'kinora convert --help'";
    case KN_ENOTFOUND: return "check the name";
    case KN_EUNSUP: return "'kinora doctor' shows what this machine can do";
    case KN_ECANCELED: return "nothing was written";
    default: return NULL;
    }
}

int kn_cmd_convert(int argc, char **argv)
{
    struct options options = {0};
    struct kn_error err = {0};
    json_auto_t *result = NULL;
    int status = options_read(&options, argc, argv);
    if (status != KN_EXIT_OK)
        return status;
    if (options.wants_help)
        return help_print(), KN_EXIT_OK;
    if (options.wants_templates)
        return templates_list(options.is_json);
    kn_code rc = convert(&options, &result, &err);
    if (rc == KN_OK)
        kn_cli_progress("converting", 1.0);
    if (result && options.is_json)
        kn_cli_print_json(result);
    else if (rc == KN_OK)
        outputs_print(result);
    return rc ? kn_cli_fail(&err, advice_of(&err)) : KN_EXIT_OK;
}
