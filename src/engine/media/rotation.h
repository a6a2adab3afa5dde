#pragma once
/* How a picture must be turned to stand upright, from its stream's display matrix. */
#include <libavformat/avformat.h>

/* Degrees clockwise: 0, 90, 180 or 270. Other angles count as the nearest of these. */
int kn_rotation_of(const AVStream *stream);

/* libavfilter's filters for such a turn, each followed by a comma; "" for none. */
const char *kn_rotation_filter(int degrees);
