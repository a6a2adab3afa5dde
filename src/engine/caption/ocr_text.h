#pragma once
/* What is done to text that was read off a picture: always what the picture says better, corrections when asked. */
#include "base/arena.h"

/*
 * Without blanks between ideographs, at the ends of lines and in "...", and without empty lines; the marks
 * : ; , ! ? behind ideographs in full width. Owned by `arena`, NULL without memory.
 */
const char *kn_ocr_text_clean(const char *text, struct kn_arena *arena);

/*
 * Corrections, each of which is safe in Latin script:
 *   |            I
 *   '' or two backticks   "
 *   l alone, or before an apostrophe and m, ll, d, ve, s (l'm)    I
 *   I between small letters (heIlo), but not in McIntosh          l
 *   0 between letters, O between digits                           O, 0
 *   1 between small letters (he11o)                               l
 *   # or a cent sign at both ends of a caption                    a note
 */
const char *kn_ocr_text_correct(const char *text, struct kn_arena *arena);
