#pragma once
/*
 * Reading text in pictures with Tesseract, which is opened when the first picture wants it: a machine without
 * it runs everything else, and is told what to install.
 *
 * Each page is read by itself: what was read before changes nothing, so the same picture always gives the
 * same text. Thread-safety: a reader belongs to one thread; several may be open at the same time.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "engine/caption/bitmap_ink.h"

struct kn_ocr;

/*
 * The names Tesseract has for a language: "eng", "chi_sim+chi_tra". Of those for which there are several
 * models, the ones that are installed.
 *
 *   language  ISO 639-1 or -2, BCP 47, or Tesseract's own names, joined by '+'
 *   out_names owned by `arena`
 *
 * KN_EUNSUP  reason "OcrLanguageMissing": the message names the package to install
 *            reason "OcrLanguageUnknown": "und", "", or a language of which Tesseract knows nothing
 */
kn_code kn_ocr_language(const char *language, struct kn_arena *arena, const char **out_names,
                        struct kn_error *err);

/* Whether Tesseract is there at all. KN_EUNSUP reason "OcrMissing": what is to be installed. */
kn_code kn_ocr_check(struct kn_error *err);

/*
 * KN_EUNSUP  as kn_ocr_check(), or reason "OcrLanguageMissing"
 */
kn_code kn_ocr_new(struct kn_ocr **out_ocr, const char *names, struct kn_error *err);
void kn_ocr_free(struct kn_ocr **ocr);

// A page: its pixels, and where its lines are if that is known.
struct kn_ocr_page {
    const uint8_t *pixels; // borrowed: width * height, 0 is black
    int width, height;
    const struct kn_ink_line *lines; // borrowed; read one by one
    int n_lines;                     // 0: they are looked for
};

/*
 * The text of a page: lines as the picture has them, '\n' between them, none at the end. An empty text means
 * that nothing could be read.
 *
 *   out_text        UTF-8, owned by `arena`
 *   out_confidence  0 to 1, the least of its lines
 */
kn_code kn_ocr_read(struct kn_ocr *ocr, const struct kn_ocr_page *page, struct kn_arena *arena,
                    const char **out_text, double *out_confidence, struct kn_error *err);

/* The library's version, NULL when it is not there. Static. */
const char *kn_ocr_version(void);
/* The installed languages by Tesseract's names, without "osd"; NULL without memory. */
const char **kn_ocr_languages(struct kn_arena *arena, int *out_n);
