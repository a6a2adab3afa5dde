#pragma once
/*
 * Pages of text that wait to be read: the pictures of one stream, each kept once however often it comes.
 *
 * Pages wait deflated (some KiB each) and are read together, so that the model of one language at a time is in
 * memory however many streams a film has, and by several threads, each with an engine of its own. What is
 * read does not depend on how many there are. Thread-safety: a pile belongs to one thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "engine/caption/bitmap_ink.h"

struct kn_ocr_how {
    const char *names; // Tesseract's, of the languages; borrowed
    int n_threads;     // at most; at least 1
    // Asked by any thread, told by one; both may be NULL.
    bool (*is_cancelled)(void *impl);
    void (*progress)(void *impl, double part);
    void *impl;
};

// What a page says.
struct kn_ocr_said {
    const char *text; // borrowed from the pile; "" when nothing could be read
    double confidence;
    const struct kn_ink_line *lines; // as the picture had them; borrowed
    int n_lines;
};

struct kn_ocr_pages;

/* `how` is copied, what it borrows must outlive the pile. */
kn_code kn_ocr_pages_new(struct kn_ocr_pages **out_pages, const struct kn_ocr_how *how, struct kn_error *err);
void kn_ocr_pages_free(struct kn_ocr_pages **pages);

/*
 * Keep a page.
 *
 *   out_number  for kn_ocr_pages_said(); that of an equal page when there is one
 *
 * Reads what waits when too much does, and fails as that does.
 */
kn_code kn_ocr_pages_add(struct kn_ocr_pages *pages, const struct kn_ink *ink, size_t *out_number,
                         struct kn_error *err);

/* Read all that wait. KN_ECANCELED; else as kn_ocr_new() and kn_ocr_read(). */
kn_code kn_ocr_pages_read(struct kn_ocr_pages *pages, struct kn_error *err);

/* Of a page that was read. */
struct kn_ocr_said kn_ocr_pages_said(const struct kn_ocr_pages *pages, size_t number);
size_t kn_ocr_pages_count(const struct kn_ocr_pages *pages);
