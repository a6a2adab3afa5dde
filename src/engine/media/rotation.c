/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/rotation.h"

#include <math.h>

#include <libavutil/display.h>

int kn_rotation_of(const AVStream *stream)
{
    const uint8_t *matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, NULL);
    if (!matrix)
        return 0;
    const double counter_clockwise = av_display_rotation_get((const int32_t *)matrix);
    if (isnan(counter_clockwise))
        return 0;
    const int quarters = (int)lround(-counter_clockwise / 90.0);
    return ((quarters % 4) + 4) % 4 * 90;
}

const char *kn_rotation_filter(int degrees)
{
    static const char *const turns[] = {"", "transpose=clock,", "hflip,vflip,", "transpose=cclock,"};
    return turns[degrees / 90];
}
