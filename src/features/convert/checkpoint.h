#pragma once
/*
 * Checkpoints: what a video rendition has encoded is logged in the job's own folder, so that an
 * attempt after a crash goes on from the last key frame (engine/media/packet_log.h).
 *
 * Kept are renditions of libx264 and libx265, whose GOPs are closed, except second passes (x264 counts
 * pictures from the start of its statistics) and HRD-CBR (the bit stream states its buffer), and except
 * those that are encoded again sooner than it is worth. A log that cannot be written is given up with
 * a warning; the conversion goes on. First passes leave a marker beside their statistics.
 */
#include <stdbool.h>

#include <libavcodec/packet.h>
#include <libavutil/frame.h>

#include "base/error.h"

struct kn_video_rendition;
struct kn_output_run;

/* Open the rendition's log where it shall have one. */
void kn_checkpoint_open(struct kn_video_rendition *r);
/* Whether there is something to go on from; then `like` gets what the encoder was opened with. */
bool kn_checkpoint_recall(struct kn_video_rendition *r, AVFrame *like);
/* Whether `r->encoder`, opened again, makes the same stream as before. */
bool kn_checkpoint_agrees(const struct kn_video_rendition *r);
/* Begin a new log with what the encoder was opened with. */
void kn_checkpoint_begin(struct kn_video_rendition *r, const AVFrame *like);
/* Keep a packet. */
void kn_checkpoint_add(struct kn_video_rendition *r, const AVPacket *packet);

/* Whether a first pass of this very conversion was finished by an earlier attempt; mark it so. */
bool kn_checkpoint_has_pass(const struct kn_output_run *o);
void kn_checkpoint_mark_pass(const struct kn_output_run *o);
