#pragma once
/*
 * What a task does to captions on the way: the vendor has no words for it, so that tags of ours say it.
 *
 *     ocr.lang                        in which language captions made of pictures are read (deu, eng+fra)
 *     forcedOnly                      "true": what is shown although captions are off
 *     captions.closedOnly             "true": the closed captions inside the pictures
 *     captions.lookEverywhere         "true": a film is read to its end for captions that begin late
 *     captions.shift                  seconds that everything comes later; negative: earlier
 *     captions.scale                  factor of all times
 *     captions.removeHearingImpaired  "true": without sounds and names
 *     captions.fixOcr                 "true": mend what is often misread
 *     captions.longest                seconds that a caption is shown at most which nothing ends
 *     captions.joinSimultaneous       "true": of SubRip, captions of the same times are one
 */
#include <jansson.h>

#include "base/error.h"

/*
 * Put what the tags say into `spec`, as features/extract takes it. `tags` may be NULL; other tags mean nothing here.
 *
 * KN_EINVAL "InvalidParameter": a value that cannot be meant; the message names the tag.
 */
kn_code kn_imm_caption_tags(json_t *spec, const json_t *tags, struct kn_error *err);
