#pragma once
/*
 * What the media libraries of this machine can do, as JSON: `kinora-worker --report`, which
 * `kinora doctor` asks (it links no media library itself).
 *
 *   { "Libraries": {"libavcodec": "59.37.100", …},
 *     "Encoders":  [ {"Name": "libx264", "For": "H.264", "Works": true, "IsNeeded": true} ],
 *     "Decoders":  [ same ], "Filters": [ same ], "Fonts": 312,
 *     "Sandbox":   {"Landlock": 2, "Seccomp": true, "Problem": "…"} }
 *
 * "Works" and "Sandbox" are found by doing it (proof.h, a child that locks itself down). What does not
 * work has "Package": what brings it.
 */
#include <jansson.h>

/* A new reference; NULL without memory. */
json_t *kn_worker_report(void);
