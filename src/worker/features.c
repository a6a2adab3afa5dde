/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The features this worker runs. */
#include "worker/feature.h"

#include "features/convert/convert.h"
#include "features/extract/extract.h"
#include "worker/task.h"

const struct kn_worker_feature kn_worker_features[] = {
    {"convert", NULL, kn_convert_run},
    {"extract", NULL, kn_extract_run},
    {"task", NULL, kn_task_run},
    {NULL, NULL, NULL},
};
