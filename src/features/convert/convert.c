/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The run of a conversion, from the canonical object to the result. run.h draws the threads.
 */
#include "features/convert/convert.h"

#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavformat/avformat.h>

#include "base/cleanup.h"
#include "engine/media/av_error.h"
#include "engine/media/file_meta.h"
#include "features/convert/assemble.h"
#include "features/convert/check.h"
#include "features/convert/check_segments.h"
#include "features/convert/checkpoint.h"
#include "features/convert/formats.h"
#include "features/convert/group.h"


/* ---- the run's life ---- */
static kn_code run_init(struct kn_run *run, struct kn_context *context,
                        const struct kn_convert_spec *spec, struct kn_error *err)
{
    run->context = context;
    run->spec = spec;
    run->n_outputs = spec->n_outputs;
    for (int g = 0; g < spec->n_groups; g++)
        run->n_outputs += spec->groups[g].n_outputs;
    run->inputs = kn_arena_array(&run->arena, (size_t)spec->n_inputs, sizeof(*run->inputs));
    run->outputs = kn_arena_array(&run->arena, (size_t)run->n_outputs, sizeof(*run->outputs));
    if (!run->inputs || !run->outputs)
        return kn_fail(err, KN_ENOMEM, "no memory for a conversion");
    pthread_mutex_init(&run->lock, NULL);
    pthread_mutex_init(&run->open_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&run->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int n = 0;
    for (int g = 0; g <= spec->n_groups; g++) {
        const bool is_flat = g == spec->n_groups;
        const int count = is_flat ? spec->n_outputs : spec->groups[g].n_outputs;
        for (int i = 0; i < count; i++) {
            struct kn_output_run *o = &run->outputs[n++];
            o->run = run;
            o->spec = is_flat ? &spec->outputs[i] : &spec->groups[g].outputs[i];
            o->group = is_flat ? -1 : g;
            o->duration_us = KN_NO_TIME;
            pthread_mutex_init(&o->lock, NULL);
        }
    }
    return KN_OK;
}

static void run_clear(struct kn_run *run)
{
    for (int i = 0; run->outputs && i < run->n_outputs; i++) {
        struct kn_output_run *o = &run->outputs[i];
        kn_mux_free(&o->mux);
        for (int k = 0; k < o->n_caption_files; k++)
            kn_buf_clear(&o->caption_files[k].text);
        kn_sink_free(&o->sink);
        json_decref(o->notes);
        json_decref(o->meta);
        json_decref(o->part_metas);
        pthread_mutex_destroy(&o->lock);
    }
    for (int i = 0; run->inputs && i < run->spec->n_inputs; i++)
        kn_input_free(&run->inputs[i].input);
    if (run->inputs && run->outputs) {
        pthread_mutex_destroy(&run->lock);
        pthread_mutex_destroy(&run->open_lock);
        pthread_cond_destroy(&run->changed);
    }
    kn_arena_clear(&run->arena);
}

/* ---- passes ---- */
// Files whose streams do not say how long they are (Matroska) say it as a whole; that can be judged
// when all their pictures and sound were read.
static kn_code run_judge_inputs(const struct kn_run *run, struct kn_error *err)
{
    for (int i = 0; i < run->spec->n_inputs; i++) {
        const struct kn_input_run *in = &run->inputs[i];
        const int64_t said_us = in->input ? kn_input_duration_us(in->input) : KN_NO_TIME;
        int n = 0;
        while (in->input && (kn_input_stream(in->input, AVMEDIA_TYPE_VIDEO, n)))
            n++;
        for (int k = 0; in->input && kn_input_stream(in->input, AVMEDIA_TYPE_AUDIO, k); k++)
            n++;
        if (said_us == KN_NO_TIME || in->n_read == 0 || in->n_read != n ||
            in->input->format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE)
            continue;
        const kn_code rc = kn_input_is_whole(in, said_us, in->read_us, err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

static kn_code run_pass(struct kn_run *run, int pass, struct kn_error *err)
{
    struct kn_error why = {0};
    if (kn_run_assemble(run, pass, &why) != KN_OK)
        kn_run_fail(run, &why);
    kn_run_wait(run);
    kn_run_disassemble(run);
    if (run->error.code != KN_OK) {
        *err = run->error;
        return err->code;
    }
    return KN_OK;
}

static bool wants_two_passes(const struct kn_run *run)
{
    for (int i = 0; i < run->n_outputs; i++)
        if (run->outputs[i].has_video && run->outputs[i].video.n_passes == 2 &&
            run->outputs[i].error.code == KN_OK)
            return true;
    return false;
}

static void output_finish(struct kn_output_run *o)
{
    struct kn_error err = {0};
    kn_code rc = o->mux ? kn_mux_finish(o->mux, &err) : KN_OK;
    if (rc == KN_OK)
        rc = kn_output_check(o, &err);
    const bool is_segmented = kn_container_format(o->spec->container)->is_segmented;
    if (rc == KN_OK && is_segmented)
        rc = kn_output_write_manifests(o, &err);
    if (rc == KN_OK && is_segmented)
        rc = kn_segments_meta(o, &err);
    if (rc == KN_OK && o->sink)
        rc = kn_sink_commit(o->sink, &err);
    if (rc != KN_OK)
        kn_output_fail(o, &err);
}

static kn_code run_all(struct kn_run *run, struct kn_error *err)
{
    kn_code rc = kn_run_open_inputs(run, err);
    if (rc == KN_OK)
        rc = kn_run_plan(run, err);
    const bool two = rc == KN_OK && wants_two_passes(run);
    if (two)
        rc = run_pass(run, 1, err);
    for (int i = 0; two && rc == KN_OK && i < run->n_outputs; i++)
        if (run->outputs[i].video.n_passes == 2 && run->outputs[i].error.code == KN_OK)
            kn_checkpoint_mark_pass(&run->outputs[i]);
    if (rc == KN_OK)
        rc = run_pass(run, two ? 2 : 0, err);
    if (rc == KN_OK && !two)
        rc = run_judge_inputs(run, err);
    for (int i = 0; rc == KN_OK && i < run->n_outputs; i++)
        if (!kn_output_has_failed(&run->outputs[i]))
            output_finish(&run->outputs[i]);
    for (int g = 0; rc == KN_OK && g < run->spec->n_groups; g++)
        rc = kn_group_write(run, g, err);
    return rc;
}

/* ---- the result ---- */
static json_t *output_result(const struct kn_output_run *o, const struct kn_error *all)
{
    const struct kn_error *e = o->error.code != KN_OK ? &o->error : all->code != KN_OK ? all : NULL;
    json_t *out = json_object();
    json_object_set_new(out, "Status", json_string(e ? "Failed" : "Success"));
    json_object_set_new(out, "Uri", json_string(o->spec->uri));
    if (e) {
        json_object_set_new(out, "Code", json_string(e->reason[0] ? e->reason : kn_code_name(e->code)));
        json_object_set_new(out, "Message", json_string(e->message));
        return out;
    }
    if (o->meta)
        json_object_set(out, "Meta", o->meta);
    json_object_set(out, "Notes", o->notes);
    if (o->n_kept > 0) // pictures: of an earlier attempt, encoded now, of these for the second time
        json_object_set_new(out, "Resumed", json_pack("{s:I, s:I, s:I}", "Kept", (json_int_t)o->n_kept,
                                                      "Encoded", (json_int_t)o->n_encoded, "Repeated",
                                                      (json_int_t)o->n_repeated));
    if (o->duration_us != KN_NO_TIME)
        json_object_set_new(out, "DurationUs", json_integer(o->duration_us));
    return out;
}

static json_t *engines_result(void)
{
    const struct {
        const char *name;
        unsigned version;
    } libraries[] = {{"libavformat", avformat_version()},
                     {"libavcodec", avcodec_version()},
                     {"libavfilter", avfilter_version()}};
    json_t *engines = json_object();
    for (size_t i = 0; i < KN_COUNT(libraries); i++)
        json_object_set_new(engines, libraries[i].name,
                            json_sprintf("%u.%u.%u", AV_VERSION_MAJOR(libraries[i].version),
                                         AV_VERSION_MINOR(libraries[i].version),
                                         AV_VERSION_MICRO(libraries[i].version)));
    return engines;
}

static json_t *run_result(const struct kn_run *run, const struct kn_error *all)
{
    json_t *result = json_object(), *inputs = json_array(), *flat = json_array();
    json_t *groups = json_array(), *usage = json_array();
    for (int i = 0; i < run->spec->n_inputs; i++) {
        const struct kn_input *input = run->inputs[i].input;
        json_array_append_new(inputs, input ? kn_file_meta(input, input->uri, "source_file") : json_object());
    }
    for (int g = 0; g < run->spec->n_groups; g++)
        json_array_append_new(groups, json_pack("{s:s, s:[]}", "Status", "Success", "Outputs"));
    for (int i = 0; i < run->n_outputs; i++) {
        const struct kn_output_run *o = &run->outputs[i];
        json_t *out = output_result(o, all);
        const bool has_failed = json_object_get(out, "Code") != NULL;
        json_t *group = json_array_get(groups, (size_t)o->group);
        if (o->group >= 0 && has_failed)
            json_object_set_new(group, "Status", json_string("Failed"));
        json_array_append_new(o->group >= 0 ? json_object_get(group, "Outputs") : flat, out);
        if (has_failed)
            continue;
        json_array_append_new(
            usage, json_pack("{s:s, s:s, s:s, s:f}", "Kind", "convert", "Codec",
                             !o->has_video ? "audio" : o->video.is_copy ? "copy"
                                                     : kn_video_codec_name(o->spec->video.codec),
                             "Resolution",
                             !o->has_video ? "-" : FFMIN(o->video.width_px, o->video.height_px) > 1440 ? "4K"
                                 : FFMIN(o->video.width_px, o->video.height_px) > 1080 ? "2K"
                                 : FFMIN(o->video.width_px, o->video.height_px) > 720 ? "FHD"
                                 : FFMIN(o->video.width_px, o->video.height_px) > 480 ? "HD" : "SD",
                             "Seconds", o->duration_us == KN_NO_TIME ? 0.0 : (double)o->duration_us / KN_SECOND));
    }
    json_object_set_new(result, "Engines", engines_result());
    json_object_set_new(result, "Inputs", inputs);
    json_object_set_new(result, "OutputGroups", groups);
    json_object_set_new(result, "Outputs", flat);
    json_object_set_new(result, "Usage", usage);
    return result;
}

kn_code kn_convert_run(struct kn_context *context, const json_t *canonical, json_t **out_result,
                       struct kn_error *err)
{
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    struct kn_error own = {0};
    kn_av_log_join();
    kn_code rc = kn_convert_spec_load(&spec, canonical, &own);
    struct kn_run run = {0};
    if (rc == KN_OK)
        rc = run_init(&run, context, &spec, &own);
    if (rc == KN_OK)
        rc = run_all(&run, &own);
    // An output that failed fails the job, with the first one's reason; the others are handed over.
    for (int i = 0; rc == KN_OK && i < run.n_outputs; i++)
        if (run.outputs[i].error.code != KN_OK) {
            own = run.outputs[i].error;
            rc = own.code;
        }
    if (run.outputs)
        *out_result = run_result(&run, &own);
    if (rc == KN_OK)
        kn_context_progress(context, 1.0, NULL);
    else if (err)
        *err = own;
    run_clear(&run);
    return rc;
}
