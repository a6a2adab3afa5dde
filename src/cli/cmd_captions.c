/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora captions: out of films or caption files, worked on and written as text, without a server. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "cli/captions.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "cli/worker_program.h"
#include "features/extract/extract.h"
#include "features/extract/extract_spec.h"
#include "supervisor/local.h"

// --stream on one command line; without it all of a film's streams are taken.
#define MAX_STREAMS 64

struct options {
    char **inputs; // borrowed from argv
    int n_inputs;
    const char *out, *format, *language, *ocr_language, *line_end, *rtl_marks;
    int64_t shift_us, longest_us;
    double scale;
    int streams[MAX_STREAMS]; // numbers among a film's captions
    int n_streams;
    bool joins_simultaneous, removes_hearing_impaired, fixes_ocr, has_mark, forced_only, closed_only, looks_everywhere;
    bool lists, is_json, overwrites, wants_help;
};

static void help_print(void)
{
    (void)puts(
        "usage: kinora captions FILE… -o OUTPUT [OPTIONS]\n"
        "       kinora captions FILE… --list\n\n"
        "Take the captions out of films (Matroska, WebM, MP4, MPEG-TS and more), or read caption files\n"
        "(SubRip, WebVTT, ASS, SSA, TTML, SCC, SAMI, MicroDVD and more, in any encoding), and write them as\n"
        "SubRip, WebVTT or ASS. Of a film with an index only the captions are read. Captions made of pictures\n"
        "(PGS, VobSub, DVB, XSUB) are read with Tesseract, in the language that the stream says.\n\n"
        "options\n"
        "  -o, --output PATH     the file, or a folder ('out/'); {name} is the input's name without its\n"
        "                        extension, {streamindex} the stream's number in a film, from 0,\n"
        "                        {autoext} the format's extension; - is standard output\n"
        "  --format FORMAT       srt, webvtt or ass; without it the output's extension says, else srt\n"
        "  --list                say what the files are, and write nothing\n"
        "  --stream N            this caption stream of a film, as --list numbers them; may repeat\n"
        "  --forced-only         of a film what is shown although captions are off: the streams\n"
        "                        marked as forced, and of the others the captions marked so\n"
        "  --closed-only         of a film the closed captions inside its pictures, which are looked for by\n"
        "                        themselves only where there are no caption tracks\n"
        "  --look-everywhere     read a film to its end for captions that begin late; without it the first\n"
        "                        half minute, and of a broadcast places all over it\n"
        "  --language LANG       what they are in (zh, pl, …): helps with files that are not Unicode\n"
        "  --ocr-language LANG   what pictures of text are in (eng, zh, deu+fra), whatever the stream says\n"
        "  --fix-ocr             mend what is often misread in Latin script: l for I, | for I, '' for a quote\n"
        "  --shift SECONDS       show everything later, or earlier when negative\n"
        "  --scale FACTOR        stretch the times; 25/23.976 is a factor too\n"
        "  --longest SECONDS     what nobody ends is shown at most so long: 8, pictures 10 when not given\n"
        "  --join-simultaneous   in SubRip make one of captions of the same times, from top to bottom\n"
        "  --remove-hearing-impaired\n"
        "                        without [sounds], NAMES: and sung lines\n"
        "  --bom                 begin with a byte order mark, which some television sets ask for\n"
        "  --line-end lf|crlf    CR LF in SubRip, LF in the others when not given\n"
        "  --rtl-marks on|off    a mark (U+200F) before lines of Arabic or Hebrew that begin with a dash or a\n"
        "                        full stop; when not given on for pictures and teletext that become SubRip\n"
        "  --overwrite           replace outputs that exist; without it nothing is ever replaced\n"
        "  --json                print the result as JSON\n"
        "  --help\n\n"
        "examples\n"
        "  kinora captions film.mkv -o 'film.{streamindex}.{autoext}'\n"
        "  kinora captions film.mkv --list\n"
        "  kinora captions film.srt -o film.vtt\n"
        "  kinora captions disc.sup --ocr-language eng --fix-ocr -o disc.srt\n"
        "  kinora captions film.zh.srt --language zh --shift -1.5 -o film.ass\n"
        "  kinora captions *.ass -o 'out/{name}.{autoext}' --format srt --remove-hearing-impaired");
}

/* ---- options ---- */
// "1.5", or "25/23.976".
static bool factor_read(const char *text, double *out)
{
    char first[32];
    double over = 1;
    const char *slash = strchr(text, '/');
    if (slash && (size_t)(slash - text) < sizeof(first)) {
        (void)snprintf(first, sizeof(first), "%.*s", (int)(slash - text), text);
        if (!kn_parse_double(first, out) || !kn_parse_double(slash + 1, &over) || fabs(over) < 1e-9)
            return false;
        *out /= over;
    } else if (!kn_parse_double(text, out)) {
        return false;
    }
    return *out >= 0.1 && *out <= 10;
}

static int shift_read(struct options *options, const char *text)
{
    double seconds;
    if (!kn_parse_double(text, &seconds) || fabs(seconds) > 3600000)
        return kn_cli_usage("captions", "--shift '%s' is no number of seconds", text);
    options->shift_us = llround(seconds * KN_SECOND);
    return KN_EXIT_OK;
}

static int longest_read(struct options *options, const char *text)
{
    double seconds;
    if (!kn_parse_double(text, &seconds) || seconds < 0.1 || seconds > 3600)
        return kn_cli_usage("captions", "--longest '%s' is no number of seconds from 0.1 to 3600", text);
    options->longest_us = llround(seconds * KN_SECOND);
    return KN_EXIT_OK;
}

static int stream_read(struct options *options, const char *text)
{
    int64_t number;
    if (!kn_parse_int(text, 0, 1023, &number))
        return kn_cli_usage("captions", "--stream '%s' is no stream's number", text);
    if (options->n_streams == MAX_STREAMS)
        return kn_cli_usage("captions", "--stream is given more than %d times", MAX_STREAMS);
    options->streams[options->n_streams++] = (int)number;
    return KN_EXIT_OK;
}

static const char *format_of(const char *name)
{
    const char *dot = strrchr(kn_fs_name(name), '.');
    const char *word = dot ? dot + 1 : name;
    if (kn_equal_nocase(word, "vtt") || kn_equal_nocase(word, "webvtt"))
        return "webvtt";
    return kn_equal_nocase(word, "ass") ? "ass" : kn_equal_nocase(word, "srt") ? "srt" : NULL;
}

static bool has_ending(const char *name, const char *ending)
{
    const size_t n = strlen(name);
    return n > strlen(ending) && kn_equal_nocase(name + n - strlen(ending), ending);
}

static bool is_same_but_ending(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && memcmp(a, b, strlen(a) - 4) == 0;
}

// Of pictures that are given together with their index the index is enough: it names them.
static void pairs_join(struct options *options)
{
    int kept = 0;
    for (int i = 0; i < options->n_inputs; i++) {
        bool has_index = false;
        for (int k = 0; has_ending(options->inputs[i], ".sub") && k < options->n_inputs; k++)
            has_index = has_index || (has_ending(options->inputs[k], ".idx") &&
                                      is_same_but_ending(options->inputs[k], options->inputs[i]));
        if (!has_index)
            options->inputs[kept++] = options->inputs[i];
    }
    options->n_inputs = kept;
}

static bool is_printed(const struct options *options)
{
    return kn_equal(options->out, "-");
}

static int options_check(struct options *options)
{
    if (!options->n_inputs)
        return kn_cli_usage("captions", "which file?");
    if (options->lists)
        return KN_EXIT_OK;
    if (!options->out)
        return kn_cli_usage("captions", "where to? -o FILE is missing, or --list");
    if (is_printed(options) && options->is_json)
        return kn_cli_usage("captions", "-o - and --json both want standard output");
    if (options->n_inputs > 1 && !kn_ends_with(options->out, "/") && !strstr(options->out, "{name}"))
        return kn_cli_usage("captions", "several files want a folder or {name}: -o '%s/'", options->out);
    if (!options->format)
        options->format = format_of(options->out);
    if (!options->format)
        options->format = "srt";
    return KN_EXIT_OK;
}

// KN_EXIT_OK, or the status to leave with.
static int options_read(struct options *options, int argc, char **argv)
{
    enum { FORMAT = 256, LIST, STREAM, FORCED, CLOSED, EVERYWHERE, LANGUAGE, OCR_LANGUAGE, FIX_OCR, SHIFT, SCALE,
           LONGEST, JOIN, IMPAIRED, BOM, LINE_END, RTL_MARKS, OVERWRITE, JSON, HELP };
    static const struct option longs[] = {
        {"output", required_argument, NULL, 'o'},      {"format", required_argument, NULL, FORMAT},
        {"list", no_argument, NULL, LIST},             {"language", required_argument, NULL, LANGUAGE},
        {"ocr-language", required_argument, NULL, OCR_LANGUAGE}, {"fix-ocr", no_argument, NULL, FIX_OCR},
        {"longest", required_argument, NULL, LONGEST}, {"join-simultaneous", no_argument, NULL, JOIN},
        {"shift", required_argument, NULL, SHIFT},     {"scale", required_argument, NULL, SCALE},
        {"stream", required_argument, NULL, STREAM},
        {"forced-only", no_argument, NULL, FORCED},    {"closed-only", no_argument, NULL, CLOSED},
        {"look-everywhere", no_argument, NULL, EVERYWHERE},
        {"remove-hearing-impaired", no_argument, NULL, IMPAIRED}, {"bom", no_argument, NULL, BOM},
        {"line-end", required_argument, NULL, LINE_END}, {"rtl-marks", required_argument, NULL, RTL_MARKS},
        {"overwrite", no_argument, NULL, OVERWRITE},
        {"json", no_argument, NULL, JSON},             {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    int status = KN_EXIT_OK, c;
    opterr = 0;
    while (status == KN_EXIT_OK && (c = getopt_long(argc, argv, ":o:h", longs, NULL)) != -1) {
        switch (c) {
        case 'o': options->out = optarg; break;
        case FORMAT:
            options->format = format_of(optarg);
            if (!options->format)
                return kn_cli_usage("captions", "--format '%s' is none of srt, webvtt, ass", optarg);
            break;
        case LIST: options->lists = true; break;
        case STREAM: status = stream_read(options, optarg); break;
        case FORCED: options->forced_only = true; break;
        case CLOSED: options->closed_only = true; break;
        case EVERYWHERE: options->looks_everywhere = true; break;
        case LANGUAGE: options->language = optarg; break;
        case OCR_LANGUAGE: options->ocr_language = optarg; break;
        case FIX_OCR: options->fixes_ocr = true; break;
        case SHIFT: status = shift_read(options, optarg); break;
        case SCALE:
            if (!factor_read(optarg, &options->scale))
                return kn_cli_usage("captions", "--scale '%s' is no factor from 0.1 to 10", optarg);
            break;
        case LONGEST: status = longest_read(options, optarg); break;
        case JOIN: options->joins_simultaneous = true; break;
        case IMPAIRED: options->removes_hearing_impaired = true; break;
        case BOM: options->has_mark = true; break;
        case LINE_END:
            if (strcmp(optarg, "lf") != 0 && strcmp(optarg, "crlf") != 0)
                return kn_cli_usage("captions", "--line-end '%s' is neither lf nor crlf", optarg);
            options->line_end = optarg;
            break;
        case RTL_MARKS:
            if (strcmp(optarg, "on") != 0 && strcmp(optarg, "off") != 0)
                return kn_cli_usage("captions", "--rtl-marks '%s' is neither on nor off", optarg);
            options->rtl_marks = optarg;
            break;
        case OVERWRITE: options->overwrites = true; break;
        case JSON: options->is_json = true; break;
        case 'h':
        case HELP: options->wants_help = true; return KN_EXIT_OK;
        case ':': return kn_cli_usage("captions", "'%s' wants a value", argv[optind - 1]);
        default: return kn_cli_usage("captions", "there is no option '%s'", argv[optind - 1]);
        }
    }
    options->inputs = argv + optind;
    options->n_inputs = argc - optind;
    pairs_join(options);
    return status == KN_EXIT_OK ? options_check(options) : status;
}

/* ---- the job ---- */
// The output's path with {name} replaced; of a folder, "<folder>/{name}.{autoext}". malloc'd.
static char *target_of(const struct options *options, const char *input)
{
    kn_auto(kn_buf_clear) struct kn_buf path = {0};
    const char *name = kn_fs_name(input), *dot = strrchr(name, '.');
    const size_t n = dot && dot != name ? (size_t)(dot - name) : strlen(name);
    static const char variable[] = "{name}";
    const char *at, *rest = options->out;
    while ((at = strstr(rest, variable))) {
        kn_buf_add(&path, rest, (size_t)(at - rest));
        kn_buf_add(&path, name, n);
        rest = at + sizeof(variable) - 1;
    }
    kn_buf_puts(&path, rest);
    if (kn_ends_with(options->out, "/")) {
        kn_buf_add(&path, name, n);
        kn_buf_puts(&path, ".{autoext}");
    }
    return kn_buf_take(&path);
}

static kn_code spec_make(json_t **out, const struct options *options, struct kn_error *err)
{
    json_t *sources = json_array();
    json_auto_t *targets = json_object(); // who is written to each
    for (int i = 0; i < options->n_inputs; i++) {
        kn_auto(kn_free) char *target = options->lists ? NULL : target_of(options, options->inputs[i]);
        const char *other = target ? json_string_value(json_object_get(targets, target)) : NULL;
        if (other) {
            json_decref(sources);
            return kn_fail(err, KN_EINVAL, "'%s' and '%s' would both be written to '%s'", other, options->inputs[i], target);
        }
        if (target)
            (void)json_object_set_new(targets, target, json_string(options->inputs[i]));
        (void)json_array_append_new(sources, json_pack("{s:s, s:s*, s:s*}", "Uri", options->inputs[i],
                                                       "Target", target, "Language", options->language));
    }
    if (json_array_size(sources) != (size_t)options->n_inputs) {
        json_decref(sources);
        return kn_fail(err, KN_EINVAL, "a file's name is no UTF-8");
    }
    json_t *streams = json_array();
    for (int i = 0; i < options->n_streams; i++)
        (void)json_array_append_new(streams, json_integer(options->streams[i]));
    *out = json_pack("{s:o, s:o, s:b, s:b, s:b, s:b, s:s*, s:s*, s:b}", "Sources", sources, "Streams", streams,
                     "ListOnly", options->lists, "ForcedOnly", options->forced_only, "ClosedOnly", options->closed_only,
                     "LookEverywhere", options->looks_everywhere, "Format", options->format, "OcrLanguage",
                     options->ocr_language, "FixOcr", options->fixes_ocr);
    json_auto_t *work = json_pack("{s:I, s:I, s:b, s:f, s:b}", "ShiftUs", (json_int_t)options->shift_us, "LongestUs",
                                  (json_int_t)options->longest_us, "JoinSimultaneous", options->joins_simultaneous,
                                  "Scale", options->scale, "RemoveHearingImpaired", options->removes_hearing_impaired);
    json_auto_t *form = json_pack("{s:b, s:s*, s:s*}", "ByteOrderMark", options->has_mark, "LineEnd",
                                  options->line_end, "RtlMarks", options->rtl_marks);
    if (!*out || json_object_update(*out, work) != 0 || json_object_update(*out, form) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a job");
    kn_auto(kn_extract_spec_clear) struct kn_extract_spec spec = {0};
    return kn_extract_spec_load(&spec, *out, err);
}

static kn_code captions(const struct options *options, kn_keeper_child child, json_t **out_result,
                        struct kn_error *err)
{
    json_auto_t *spec = NULL;
    struct kn_error own = {0};
    kn_code rc = spec_make(&spec, options, err);
    if (rc)
        return rc;
    struct kn_local_config local = {
        .child = child,
        .catches_signals = true,
        .keeps_existing = !options->overwrites,
        .prints = true,
        .is_brief = true,
    };
    // Most captions want no libraries, whose loading takes longer than the work itself.
    if (child) {
        rc = kn_local_run(&local, "extract", spec, out_result, &own);
        if (!kn_extract_is_for_another_program(&own)) {
            if (rc != KN_OK)
                *err = own;
            return rc;
        }
        json_decref(*out_result);
        *out_result = NULL;
    }
    kn_auto(kn_free) char *worker = kn_worker_program();
    local.child = NULL;
    local.program = worker ? worker : "kinora-worker";
    return kn_local_run(&local, "extract", spec, out_result, err);
}

/* ---- what is told ---- */
static void warnings_print(const json_t *files, bool is_list)
{
    size_t i, k;
    const json_t *file, *warning;
    const char *told = NULL;
    json_array_foreach(files, i, file)
    {
        const char *source = kn_json_get(file, "Source", "");
        if (json_object_get(file, "Message"))
            (void)fprintf(stderr, "kinora: %s\n", kn_json_get(file, "Message", ""));
        if (json_object_get(file, "MayHaveMore") && !kn_equal(source, told))
            (void)fprintf(stderr, "%s: not all of it was looked at; --look-everywhere does\n", source);
        told = source;
        if (is_list)
            continue; // counted in the table
        json_array_foreach(json_object_get(file, "Warnings"), k, warning)
        {
            const json_int_t line = json_integer_value(json_object_get(warning, "Line"));
            if (line > 0)
                (void)fprintf(stderr, "%s:%lld: %s\n", source, (long long)line, kn_json_get(warning, "Text", ""));
            else
                (void)fprintf(stderr, "%s: %s\n", source, kn_json_get(warning, "Text", ""));
        }
        const size_t n = json_array_size(json_object_get(file, "Warnings"));
        const json_int_t all = json_integer_value(json_object_get(file, "Problems"));
        if (all > (json_int_t)n)
            (void)fprintf(stderr, "%s: and %lld more\n", source, (long long)all - (long long)n);
    }
}

static void files_print(const json_t *files, bool is_list, bool is_printed)
{
    static const struct kn_column columns[] = {
        {"FILE", "Source"}, {"STREAM", "StreamIndex"}, {"KIND", "Kind"}, {"ENCODING", "Encoding"},
        {"LANGUAGE", "Language"}, {"TITLE", "Title"}, {"DEFAULT", "Default"}, {"FORCED", "Forced"},
        {"CUES", "Cues"}, {"PROBLEMS", "Problems"}, {NULL, NULL},
    };
    size_t i;
    const json_t *file;
    if (is_list) {
        kn_table_print(files, columns, "captions");
        return;
    }
    json_array_foreach(files, i, file)
        if (!is_printed && !json_object_get(file, "Message"))
            (void)puts(kn_json_get(file, "Uri", ""));
}

static const char *advice_of(const struct kn_error *err)
{
    switch (err->code) {
    case KN_ECONFLICT: return "give --overwrite to replace it, or another -o";
    case KN_EINVAL: return "see 'kinora captions --help'";
    case KN_ENOTFOUND: return "check the name";
    case KN_ECANCELED: return "nothing was written";
    default: return NULL;
    }
}

int kn_captions_command(int argc, char **argv, kn_keeper_child child)
{
    struct options options = {.scale = 1};
    struct kn_error err = {0};
    json_auto_t *result = NULL;
    const int status = options_read(&options, argc, argv);
    if (status != KN_EXIT_OK)
        return status;
    if (options.wants_help)
        return help_print(), KN_EXIT_OK;
    const kn_code rc = captions(&options, child, &result, &err);
    const json_t *files = json_object_get(result, "Files");
    bool has_failed = rc != KN_OK;
    if (result && options.is_json) {
        kn_cli_print_json(result);
    } else if (rc == KN_OK) {
        warnings_print(files, options.lists);
        files_print(files, options.lists, is_printed(&options));
    }
    size_t i;
    const json_t *file;
    json_array_foreach(files, i, file)
        has_failed = has_failed || json_object_get(file, "Message");
    if (rc != KN_OK)
        return kn_cli_fail(&err, advice_of(&err));
    return has_failed ? KN_EXIT_FAILED : KN_EXIT_OK;
}

int kn_cmd_captions(int argc, char **argv)
{
    return kn_captions_command(argc, argv, NULL);
}
