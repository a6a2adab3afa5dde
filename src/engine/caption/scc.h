#pragma once
/* Scenarist closed captions: CEA-608 pairs in hexadecimal behind a time code. */
#include "engine/caption/cue.h"

/* The captions of CC1, or of the first channel there is. KN_EMEDIA when it holds no line of codes. */
kn_code kn_scc_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err);
