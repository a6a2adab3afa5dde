#pragma once
/*
 * Language codes: ISO 639-1 (ja), 639-2/B (ger) and 639-2/T (deu) name the same languages here, and
 * the T code is what we write. The table is data/languages.tsv, built in.
 */
#include <stdbool.h>

/*
 * The T code of `text`, any of the three forms, any case; a BCP 47 tag counts by its first part
 * ("zh-Hans" is zho). Three letters the table does not hold (ISO 639-2 and 639-3 have thousands)
 * are kept. False, and "" in `out`, for anything else.
 */
bool kn_language_normalize(char out[4], const char *text);

/* Whether two codes name one language; text that is no code compares without case. NULL is "". */
bool kn_language_equal(const char *a, const char *b);

/* The two-letter code of a T code where there is one, else `t` itself: BCP 47 wants the shortest,
 * so this is what HLS and DASH manifests carry. */
void kn_language_short(char out[4], const char *t);
