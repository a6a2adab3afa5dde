#pragma once
/*
 * The small text formats, through libavformat and libavcodec: SAMI, MicroDVD, MPL2, JACOsub, PJS,
 * RealText, Spruce STL, SubViewer 1 and 2, VPlayer.
 */
#include "engine/caption/cue.h"

/*
 * UTF-8 text of a whole file.
 *
 *   name  for formats that only their extension tells apart; may be NULL
 *
 * KN_EMEDIA  none of these formats
 */
kn_code kn_small_read(struct kn_cue_list *list, const char *text, size_t n, const char *name,
                      struct kn_error *err);
