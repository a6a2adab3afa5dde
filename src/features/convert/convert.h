#pragma once
/*
 * Conversion: one set of inputs, any number of outputs, one decode.
 *
 * The canonical object is the wire's Config (spec 02, section 5) after three steps done by
 * kn_convert_canonical() in canonical.c: every address is canonical (base/uri.h), every output
 * carries under "Template" the whole template configuration with OverrideParams merged over it, the
 * watermarks of "Features" carry their templates too, and names and ranges have been checked. So a
 * run needs nothing but the object and its context.
 *
 *   { "JobName": …,
 *     "Inputs":  [ {"Name", "Uri", "AudioSelector": [{"Name","Rule","TagConfig"}]} ],
 *     "OutputGroups": [ {"Name", "Type": "File"|"Hls"|"Dash", "Base": "oss://b/dir/",
 *                        "ManifestName", "ManifestExtend",
 *                        "Outputs": [ {"Name", "Uri", "TemplateId", "TemplateName", "Subtype",
 *                                      "Template": {…}, "Features": {…}, "HlsGroupConfig": {…}} ]} ],
 *     "Outputs": [ … the flat form, same members … ] }
 *
 * The result:
 *   { "Engines": {"libavcodec": "…", …},
 *     "Inputs":  [ <file metadata as spec 02, 4.1 OutFileMeta> ],
 *     "OutputGroups": [ {"Status", "Outputs": [ {"Status", "Code", "Message", "Uri",
 *                        "Meta": <OutFileMeta>, "Notes": […], "DurationUs", …} ]} ],
 *     "Outputs": [ … ],
 *     "Usage":   [ {"Kind": "convert", "Codec", "Resolution", "Seconds"} ] }
 */
#include <jansson.h>

#include "base/error.h"
#include "features/context.h"

kn_code kn_convert_run(struct kn_context *context, const json_t *spec, json_t **out_result,
                       struct kn_error *err);
