#pragma once
/*
 * What the media libraries of this machine can do, as JSON: `kinora-worker --report`, which
 * `kinora doctor` asks (it links no media library itself).
 *
 *   { "Libraries": {"libavcodec": "59.37.100", …},
 *     "Encoders":  [ {"Name": "libx264", "For": "H.264", "Present": true, "Package": "…"} ],
 *     "Decoders":  [ same ], "Filters": [ same ], "Fonts": 312,
 *     "Sandbox":   {"Landlock": 2, "Seccomp": true} }
 */
#include <jansson.h>

/* A new reference; NULL without memory. */
json_t *kn_worker_report(void);
