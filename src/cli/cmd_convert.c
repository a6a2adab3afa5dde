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

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/worker_program.h"
#include "features/convert/canonical.h"
#include "http/client.h"
#include "supervisor/local.h"

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
    bool is_json, drops_original, wants_help;
};

static void help_print(void)
{
    (void)puts(
        "usage: kinora convert INPUT [OPTIONS] --template NAME… -o FOLDER/\n"
        "       kinora convert --job FILE\n\n"
        "Convert a film, with as many audio tracks as you like; one decode for all outputs.\n\n"
        "options\n"
        "  --audio [LANG=]FILE   add an audio track, in this language (ISO 639-2); may repeat\n"
        "  --drop-original       leave the film's own sound out\n"
        "  --template NAME       make one output after this template; may repeat\n"
        "  -o, --output PATH     folder for the outputs ('out/'), or the file when there is one\n"
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
    if (equals && n >= 2 && n < sizeof(track->language) && !memchr(text, '/', n)) {
        memcpy(track->language, text, n);
        track->path = equals + 1;
    }
    return KN_EXIT_OK;
}

// KN_EXIT_OK, or the status to leave with.
static int options_read(struct options *options, int argc, char **argv)
{
    enum { AUDIO = 256, TEMPLATE, JOB, THREADS, JSON, DROP, HELP };
    static const struct option longs[] = {
        {"audio", required_argument, NULL, AUDIO},   {"template", required_argument, NULL, TEMPLATE},
        {"output", required_argument, NULL, 'o'},    {"job", required_argument, NULL, JOB},
        {"threads", required_argument, NULL, THREADS}, {"json", no_argument, NULL, JSON},
        {"drop-original", no_argument, NULL, DROP},  {"help", no_argument, NULL, HELP},
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
        case 'h':
        case HELP: options->wants_help = true; return KN_EXIT_OK;
        case ':': return kn_cli_usage("convert", "'%s' wants a value", argv[optind - 1]);
        default: return kn_cli_usage("convert", "there is no option '%s'", argv[optind - 1]);
        }
    }
    if (status != KN_EXIT_OK)
        return status;
    if (optind < argc)
        options->input = argv[optind++];
    if (optind < argc)
        return kn_cli_usage("convert", "one film at a time, not also '%s'", argv[optind]);
    if (options->job && (options->input || options->n_templates || options->n_audios))
        return kn_cli_usage("convert", "--job says it all: no input, track or template beside it");
    if (!options->job && !options->input)
        return kn_cli_usage("convert", "which film?");
    if (!options->job && (!options->n_templates || !options->out))
        return kn_cli_usage("convert", "--template and -o are needed");
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
        char name[24];
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

// out/in-Video-720P.mp4; {ExtName}-like placeholders are the canonical form's business.
static char *output_path(const struct options *options, const char *template)
{
    char *path = NULL;
    if (!kn_ends_with(options->out, "/"))
        return strdup(options->out);
    const char *name = kn_fs_name(options->input), *dot = strrchr(name, '.');
    int n = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    return asprintf(&path, "%s%.*s-%s.mp4", options->out, n, name, template) < 0 ? NULL : path;
}

static json_t *config_of(const struct options *options)
{
    json_t *inputs = json_array(), *outputs = json_array();
    (void)json_array_append_new(inputs, json_pack("{s:s, s:{s:s, s:s}}", "Name", "film", "InputFile",
                                                  "Type", "OSS", "Url", options->input));
    for (size_t i = 0; i < options->n_audios; i++) {
        char name[24];
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
        if (options->n_audios || options->drops_original)
            (void)json_object_set_new(output, "OverrideParams",
                                      json_pack("{s:o}", "Audios", audios_config(options)));
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

/* ---- the run ---- */

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
    json_auto_t *config = NULL, *spec = NULL;
    kn_auto(kn_free) char *program = kn_worker_program();
    const struct kn_convert_site site = {.may_name_paths = true};
    kn_code rc = config_read(&config, options, err);
    if (rc == KN_OK)
        rc = kn_convert_canonical(&spec, config, &site, err);
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
        .program = program ? program : "kinora-worker",
        .n_threads = (int)options->n_threads,
        .catches_signals = true,
        .progressed = on_progress,
        .context = (char[]){"converting"},
    };
    return kn_local_run(&local, "convert", spec, out_result, err);
}

static const char *advice_of(const struct kn_error *err)
{
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
    kn_code rc = convert(&options, &result, &err);
    if (rc == KN_OK)
        kn_cli_progress("converting", 1.0);
    if (result && options.is_json)
        kn_cli_print_json(result);
    else if (rc == KN_OK)
        outputs_print(result);
    return rc ? kn_cli_fail(&err, advice_of(&err)) : KN_EXIT_OK;
}
