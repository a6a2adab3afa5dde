/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pile of pages: equal ones are found by a sum over their pixels, threads take one after another. */
#include "engine/caption/ocr_pages.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/crc64.h"
#include "base/limits.h"
#include "engine/caption/ocr.h"

// Sums remembered to find equal pages: a power of two; a film has 1,500 captions.
#define N_SUMS 8192
// Deflated pages that wait. A film has 5 MiB.
#define MAX_WAITING_BYTES (64u * 1024 * 1024)
#define MAX_THREADS 16
// A thread opens an engine of its own, which costs 0.2 s of processor time, as much as 5 pages (Tesseract 5.3 sorts
// ambiguities that only its older engine uses): at most a tenth of the work.
#define LEAST_PAGES_PER_THREAD 50

struct page {
    uint64_t sum;    // of its pixels
    uint8_t *packed; // owned: deflated pixels; NULL once read
    size_t n_packed;
    int width, height;
    struct kn_ink_line lines[KN_MAX_INK_LINES];
    int n_lines;
    bool is_regular;
    char *text; // owned; NULL before it is read
    double confidence;
};

struct kn_ocr_pages {
    struct kn_ocr_how how;
    struct page *pages; // owned
    size_t n, n_read;
    size_t n_waiting_bytes;
    size_t by_sum[N_SUMS]; // number of a page with such a sum, from 1; 0: none
};

/* ---- its life ---- */
kn_code kn_ocr_pages_new(struct kn_ocr_pages **out_pages, const struct kn_ocr_how *how, struct kn_error *err)
{
    *out_pages = calloc(1, sizeof(**out_pages));
    if (!*out_pages)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption stream");
    (*out_pages)->how = *how;
    return KN_OK;
}

void kn_ocr_pages_free(struct kn_ocr_pages **pages)
{
    struct kn_ocr_pages *p = *pages;
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++) {
        free(p->pages[i].packed);
        free(p->pages[i].text);
    }
    free(p->pages);
    free(p);
    *pages = NULL;
}

/* ---- keeping ---- */
static uint64_t ink_sum(const struct kn_ink *ink)
{
    const int32_t size[2] = {ink->width, ink->height};
    return kn_crc64(kn_crc64(0, size, sizeof(size)), ink->pixels, (size_t)ink->width * (size_t)ink->height);
}

static kn_code page_pack(struct page *page, const struct kn_ink *ink, struct kn_error *err)
{
    const uLong n = (uLong)ink->width * (uLong)ink->height;
    uLongf packed = compressBound(n);
    kn_auto(kn_free) uint8_t *bytes = malloc(packed);
    if (!bytes || compress2(bytes, &packed, ink->pixels, n, Z_BEST_SPEED) != Z_OK)
        return kn_fail(err, KN_ENOMEM, "no memory for a picture of %d x %d pixels", ink->width, ink->height);
    page->packed = malloc(packed);
    if (!page->packed)
        return kn_fail(err, KN_ENOMEM, "no memory for a picture of %d x %d pixels", ink->width, ink->height);
    memcpy(page->packed, bytes, packed);
    page->n_packed = packed;
    page->width = ink->width;
    page->height = ink->height;
    memcpy(page->lines, ink->lines, sizeof(page->lines));
    page->n_lines = ink->n_lines;
    page->is_regular = ink->is_regular;
    return KN_OK;
}

kn_code kn_ocr_pages_add(struct kn_ocr_pages *pages, const struct kn_ink *ink, size_t *out_number,
                         struct kn_error *err)
{
    const uint64_t sum = ink_sum(ink);
    size_t *known = &pages->by_sum[sum % N_SUMS];
    if (*known && pages->pages[*known - 1].sum == sum) {
        *out_number = *known - 1;
        return KN_OK;
    }
    if (pages->n >= KN_MAX_CUES)
        return kn_fail(err, KN_ELIMIT, "more than %d pictures of text", KN_MAX_CUES);
    if ((pages->n & (pages->n - 1)) == 0) { // a power of two: full
        struct page *more = realloc(pages->pages, (pages->n ? 2 * pages->n : 1) * sizeof(*more));
        if (!more)
            return kn_fail(err, KN_ENOMEM, "no memory for %zu pictures of text", pages->n);
        pages->pages = more;
    }
    struct page *page = &pages->pages[pages->n];
    *page = (struct page){.sum = sum};
    const kn_code rc = page_pack(page, ink, err);
    if (rc != KN_OK)
        return rc;
    pages->n_waiting_bytes += page->n_packed;
    *out_number = pages->n++;
    *known = pages->n;
    return pages->n_waiting_bytes > MAX_WAITING_BYTES ? kn_ocr_pages_read(pages, err) : KN_OK;
}

/* ---- reading ---- */
// What the threads of one kn_ocr_pages_read() share.
struct work {
    struct kn_ocr_pages *pages; // each page is written by the thread that took it
    size_t first;
    atomic_size_t next;         // page to take
    atomic_bool is_over;        // one failed, or all are to stop
    pthread_mutex_t lock;
    // --- protected by lock
    struct kn_error error;      // of the first that failed
};

static void work_fail(struct work *work, const struct kn_error *error)
{
    (void)pthread_mutex_lock(&work->lock);
    if (work->error.code == KN_OK)
        work->error = *error;
    (void)pthread_mutex_unlock(&work->lock);
    atomic_store(&work->is_over, true);
}

static kn_code page_read(struct page *page, struct kn_ocr *ocr, struct kn_error *err)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    uLongf n = (uLongf)page->width * (uLongf)page->height;
    kn_auto(kn_free) uint8_t *pixels = malloc(n);
    if (!pixels || uncompress(pixels, &n, page->packed, page->n_packed) != Z_OK)
        return kn_fail(err, KN_ENOMEM, "no memory for a picture of %d x %d pixels", page->width, page->height);
    const struct kn_ocr_page shown = {
        .pixels = pixels,
        .width = page->width,
        .height = page->height,
        .lines = page->lines,
        .n_lines = page->is_regular ? page->n_lines : 0,
    };
    const char *text = NULL;
    const kn_code rc = kn_ocr_read(ocr, &shown, &arena, &text, &page->confidence, err);
    if (rc != KN_OK)
        return rc;
    page->text = strdup(text);
    return page->text ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a caption");
}

static void pages_take(struct work *work, bool tells)
{
    struct kn_ocr_pages *pages = work->pages;
    const struct kn_ocr_how *how = &pages->how;
    struct kn_error error = {0};
    kn_auto(kn_ocr_free) struct kn_ocr *ocr = NULL;
    kn_code rc = kn_ocr_new(&ocr, how->names, &error);
    while (rc == KN_OK && !atomic_load(&work->is_over)) {
        const size_t i = atomic_fetch_add(&work->next, 1);
        if (i >= pages->n)
            return;
        if (how->is_cancelled && how->is_cancelled(how->impl))
            rc = kn_fail(&error, KN_ECANCELED, "stopped");
        else
            rc = page_read(&pages->pages[i], ocr, &error);
        if (tells && how->progress)
            how->progress(how->impl, (double)(i + 1 - work->first) / (double)(pages->n - work->first));
    }
    if (rc != KN_OK)
        work_fail(work, &error);
}

static void *reader_main(void *argument)
{
    (void)pthread_setname_np(pthread_self(), "kn-ocr");
    pages_take(argument, false);
    return NULL;
}

kn_code kn_ocr_pages_read(struct kn_ocr_pages *pages, struct kn_error *err)
{
    const size_t n_waiting = pages->n - pages->n_read;
    if (n_waiting == 0)
        return KN_OK;
    struct work work = {.pages = pages, .first = pages->n_read, .lock = PTHREAD_MUTEX_INITIALIZER};
    atomic_init(&work.next, pages->n_read);
    pthread_t threads[MAX_THREADS];
    size_t n_threads = 0, wanted = n_waiting / LEAST_PAGES_PER_THREAD;
    wanted = wanted < (size_t)pages->how.n_threads ? wanted : (size_t)pages->how.n_threads;
    wanted = wanted < MAX_THREADS ? wanted : MAX_THREADS;
    // This thread is one of them; fewer than wanted are enough.
    while (n_threads + 1 < wanted && pthread_create(&threads[n_threads], NULL, reader_main, &work) == 0)
        n_threads++;
    pages_take(&work, true);
    for (size_t i = 0; i < n_threads; i++)
        (void)pthread_join(threads[i], NULL);
    if (work.error.code != KN_OK) {
        if (err)
            *err = work.error;
        return work.error.code;
    }
    for (; pages->n_read < pages->n; pages->n_read++) {
        struct page *page = &pages->pages[pages->n_read];
        free(page->packed);
        page->packed = NULL;
    }
    pages->n_waiting_bytes = 0;
    return KN_OK;
}

struct kn_ocr_said kn_ocr_pages_said(const struct kn_ocr_pages *pages, size_t number)
{
    const struct page *page = &pages->pages[number];
    return (struct kn_ocr_said){page->text ? page->text : "", page->confidence, page->lines, page->n_lines};
}

size_t kn_ocr_pages_count(const struct kn_ocr_pages *pages)
{
    return pages->n;
}
