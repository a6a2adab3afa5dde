/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tesseract's C interface, opened with dlopen: its header gives the declarations, so a library that does not
 * match them is refused by its name (libtesseract.so.5).
 */
#include "engine/caption/ocr.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tesseract/capi.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"

#define LIBRARY "libtesseract.so.5"
// Where Debian and others keep the models; TESSDATA_PREFIX goes before.
static const char *const folders[] = {
    "/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata", "/usr/local/share/tessdata",
};
#define MODEL_END ".traineddata"
// Pages are scaled to capitals of about 35 pixels, which is print of 12 points at this resolution.
#define PAGE_DPI "300"

// How a script's lines are read. `sure`: a line of which the least sure word is less sure is read again; in Latin
// script 1 line in 12, and most of those misread; of ideographs Tesseract is never as sure.
struct script {
    struct kn_ink_shape upright, italic; // italic lines as they are once they are set upright
    double sure;
};
// Latin networks take 36 rows, and want blanks a little wider than they are, for they lose those beside narrow letters
// ("Iam"); twice as much more has them see doubtful words. Upright letters may be narrowed, at 0.75 errors grow.
// Those of italics stand so close once they are upright that they need more than they have.
static const struct script latin_script = {
    .upright = {.height = 36, .margin = 3, .more_blank = 4, .widen = 0.8, .least = 5},
    .italic = {.height = 36, .margin = 3, .more_blank = 4, .widen = 1.08, .least = 5},
    .sure = 0.9,
};
// Those of Chinese take 48.
static const struct script han_script = {
    .upright = {.height = 48, .margin = 6, .widen = 0.8, .least = 3},
    .italic = {.height = 48, .margin = 6, .widen = 0.8, .least = 3},
    .sure = 0.6,
};

/* ---- the library ---- */
static struct {
    pthread_once_t once;
    void *handle; // never closed: it starts threads' own data
    char problem[256];
    __typeof__(TessVersion) *version;
    __typeof__(TessDeleteText) *delete_text;
    __typeof__(TessBaseAPICreate) *create;
    __typeof__(TessBaseAPIDelete) *delete_handle;
    __typeof__(TessBaseAPIInit2) *init;
    __typeof__(TessBaseAPISetVariable) *set_variable;
    __typeof__(TessBaseAPISetPageSegMode) *set_mode;
    __typeof__(TessBaseAPISetImage) *set_image;
    __typeof__(TessBaseAPIGetUTF8Text) *text;
    __typeof__(TessBaseAPIMeanTextConf) *confidence;
    __typeof__(TessBaseAPIAllWordConfidences) *word_confidences;
    __typeof__(TessDeleteIntArray) *delete_ints;
    __typeof__(TessBaseAPIClear) *clear;
} tess = {.once = PTHREAD_ONCE_INIT};

static void library_open(void)
{
    // Its threads wait for each other more than they work; read at load, so said before.
    (void)setenv("OMP_THREAD_LIMIT", "1", 0);
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        (void)kn_copy(tess.problem, sizeof(tess.problem), dlerror());
        return;
    }
    const struct {
        const char *name;
        void *at;
    } calls[] = {
        {"TessVersion", &tess.version},
        {"TessDeleteText", &tess.delete_text},
        {"TessBaseAPICreate", &tess.create},
        {"TessBaseAPIDelete", &tess.delete_handle},
        {"TessBaseAPIInit2", &tess.init},
        {"TessBaseAPISetVariable", &tess.set_variable},
        {"TessBaseAPISetPageSegMode", &tess.set_mode},
        {"TessBaseAPISetImage", &tess.set_image},
        {"TessBaseAPIGetUTF8Text", &tess.text},
        {"TessBaseAPIMeanTextConf", &tess.confidence},
        {"TessBaseAPIAllWordConfidences", &tess.word_confidences},
        {"TessDeleteIntArray", &tess.delete_ints},
        {"TessBaseAPIClear", &tess.clear},
    };
    for (size_t i = 0; i < KN_COUNT(calls); i++) {
        void *call = dlsym(handle, calls[i].name);
        if (!call) {
            (void)kn_copy(tess.problem, sizeof(tess.problem), dlerror());
            (void)dlclose(handle);
            return;
        }
        memcpy(calls[i].at, &call, sizeof(call));
    }
    tess.handle = handle;
}

static bool library_is_there(void)
{
    (void)pthread_once(&tess.once, library_open);
    return tess.handle != NULL;
}

const char *kn_ocr_version(void)
{
    return library_is_there() ? tess.version() : NULL;
}

/* ---- models ---- */
static const char *model_folder(void)
{
    const char *own = getenv("TESSDATA_PREFIX");
    if (own && own[0])
        return own;
    for (size_t i = 0; i < KN_COUNT(folders); i++)
        if (access(folders[i], R_OK | X_OK) == 0)
            return folders[i];
    return folders[0];
}

static bool model_is_there(const char *name)
{
    char path[512];
    const int n = snprintf(path, sizeof(path), "%s/%s" MODEL_END, model_folder(), name);
    return n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0;
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **kn_ocr_languages(struct kn_arena *arena, int *out_n)
{
    const size_t most = 256; // Debian has 125
    const char **names = kn_arena_array(arena, most + 1, sizeof(*names));
    size_t n = 0;
    *out_n = 0;
    DIR *folder = names ? opendir(model_folder()) : NULL;
    for (const struct dirent *entry; folder && n < most && (entry = readdir(folder));) {
        const char *end = strstr(entry->d_name, MODEL_END);
        if (!end || end[strlen(MODEL_END)] || kn_starts_with(entry->d_name, "osd."))
            continue;
        names[n] = kn_arena_strndup(arena, entry->d_name, (size_t)(end - entry->d_name));
        n += names[n] != NULL;
    }
    if (folder)
        (void)closedir(folder);
    if (n > 0)
        qsort(names, n, sizeof(*names), name_compare);
    *out_n = (int)n;
    return names;
}

/* ---- languages ---- */
// ISO 639-1, 639-2/B and /T, and others' words, to Tesseract's names; where a language has several models, all.
static const struct {
    const char *codes; // between blanks
    const char *names;
} languages[] = {
    {" en eng ", "eng"}, {" zh zho chi ", "chi_sim+chi_tra"},
    {" zh-cn zh-sg zh-hans cmn chs chi_sim ", "chi_sim"}, {" zh-tw zh-hk zh-mo zh-hant yue cht chi_tra ", "chi_tra"},
    {" ja jpn ", "jpn"}, {" ko kor ", "kor"}, {" fr fra fre ", "fra"}, {" de deu ger ", "deu"},
    {" es spa ", "spa"}, {" it ita ", "ita"}, {" pt por pt-br pob ", "por"}, {" nl nld dut ", "nld"},
    {" ru rus ", "rus"}, {" uk ukr ", "ukr"}, {" be bel ", "bel"}, {" bg bul ", "bul"}, {" pl pol ", "pol"},
    {" cs ces cze ", "ces"}, {" sk slk slo ", "slk"}, {" sl slv ", "slv"}, {" hr hrv scr ", "hrv"},
    {" sr srp scc ", "srp+srp_latn"}, {" bs bos ", "bos"}, {" mk mkd mac ", "mkd"}, {" ro ron rum ", "ron"},
    {" hu hun ", "hun"}, {" el ell gre ", "ell"}, {" sv swe ", "swe"}, {" da dan ", "dan"},
    {" no nb nn nor nob nno ", "nor"}, {" fi fin ", "fin"}, {" et est ", "est"}, {" lv lav ", "lav"},
    {" lt lit ", "lit"}, {" is isl ice ", "isl"}, {" ga gle ", "gle"}, {" cy cym wel ", "cym"},
    {" eu eus baq ", "eus"}, {" ca cat ", "cat"}, {" gl glg ", "glg"}, {" sq sqi alb ", "sqi"},
    {" tr tur ", "tur"}, {" az aze ", "aze"}, {" kk kaz ", "kaz"}, {" uz uzb ", "uzb"}, {" ar ara ", "ara"},
    {" he heb iw ", "heb"}, {" fa fas per ", "fas"}, {" ur urd ", "urd"}, {" hi hin ", "hin"}, {" bn ben ", "ben"},
    {" ta tam ", "tam"}, {" te tel ", "tel"}, {" ml mal ", "mal"}, {" kn kan ", "kan"}, {" mr mar ", "mar"},
    {" gu guj ", "guj"}, {" pa pan ", "pan"}, {" si sin ", "sin"}, {" th tha ", "tha"}, {" lo lao ", "lao"},
    {" my mya bur ", "mya"}, {" km khm ", "khm"}, {" vi vie ", "vie"}, {" id ind ", "ind"},
    {" ms msa may ", "msa"}, {" tl fil tgl ", "fil"}, {" ka kat geo ", "kat"}, {" hy hye arm ", "hye"},
    {" mn mon ", "mon"}, {" ne nep ", "nep"}, {" af afr ", "afr"}, {" sw swa ", "swa"}, {" la lat ", "lat"},
    {" eo epo ", "epo"}, {" yi yid ", "yid"}, {" lb ltz ", "ltz"}, {" mt mlt ", "mlt"}, {" am amh ", "amh"},
};

// Tesseract's names for one code; NULL when it has none.
static const char *names_of(const char *code)
{
    char word[40], text[48];
    if (!kn_copy(word, sizeof(word), code))
        return NULL;
    kn_lower(word);
    for (char *c = word; *c; c++)
        *c = *c == '_' && !kn_starts_with(word, "chi_") ? '-' : *c;
    for (;;) {
        (void)snprintf(text, sizeof(text), " %s ", word);
        for (size_t i = 0; i < KN_COUNT(languages); i++)
            if (strstr(languages[i].codes, text))
                return languages[i].names;
        char *dash = strrchr(word, '-'); // "en-GB" is English
        if (!dash)
            return NULL;
        *dash = '\0';
    }
}

static kn_code missing(const char *code, const char *name, struct kn_error *err)
{
    char package[64];
    (void)kn_copy(package, sizeof(package), name);
    package[strcspn(package, "+")] = '\0';
    for (char *c = package; *c; c++)
        *c = *c == '_' ? '-' : *c;
    kn_lower(package);
    return kn_fail_as(err, KN_EUNSUP, "OcrLanguageMissing",
                      "pictures of text in '%s' cannot be read: install 'tesseract-ocr-%s'", code, package);
}

// One part of a '+' list, added to `names`.
static kn_code part_add(const char *code, char *names, size_t size, struct kn_error *err)
{
    const char *known = model_is_there(code) ? code : names_of(code);
    if (!known)
        return kn_fail_as(err, KN_EUNSUP, "OcrLanguageUnknown", "there is no reading of text in the language '%s'",
                          code);
    bool has_one = false;
    for (const char *at = known; *at;) {
        char name[40];
        const size_t n = strcspn(at, "+");
        (void)snprintf(name, sizeof(name), "%.*s", (int)n, at);
        at += n + (at[n] == '+');
        if (!model_is_there(name))
            continue;
        has_one = true;
        const size_t used = strlen(names);
        (void)snprintf(names + used, size - used, "%s%s", used ? "+" : "", name);
    }
    return has_one ? KN_OK : missing(code, known, err);
}

kn_code kn_ocr_language(const char *language, struct kn_arena *arena, const char **out_names,
                        struct kn_error *err)
{
    char names[256] = "", part[64];
    *out_names = NULL;
    if (!language || !language[0] || kn_equal_nocase(language, "und"))
        return kn_fail_as(err, KN_EUNSUP, "OcrLanguageUnknown",
                          "what language its pictures of text are in is not said: say it with --ocr-language, over "
                          "the API with the tag ocr.lang");
    for (const char *at = language; *at;) {
        const size_t n = strcspn(at, "+");
        if (n == 0 || n >= sizeof(part) || memchr(at, '/', n))
            return kn_fail_as(err, KN_EUNSUP, "OcrLanguageUnknown", "'%s' is no language", language);
        (void)snprintf(part, sizeof(part), "%.*s", (int)n, at);
        const kn_code rc = part_add(part, names, sizeof(names), err);
        if (rc != KN_OK)
            return rc;
        at += n + (at[n] == '+');
    }
    *out_names = kn_arena_strdup(arena, names);
    return *out_names ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a language's name");
}

/* ---- reading ---- */
// Languages of which all are in one script.
static const char latin[] = " eng fra deu spa ita por nld pol ces slk slv hrv bos ron hun swe dan nor fin est lav lit "
                            "isl gle cym eus cat glg sqi tur afr ind msa fil lat epo srp_latn ";
static const char han[] = " chi_sim chi_tra ";

static bool are_all_of(const char *languages_of_script, const char *names)
{
    for (const char *at = names; *at;) {
        char word[48];
        const size_t n = strcspn(at, "+");
        (void)snprintf(word, sizeof(word), " %.*s ", (int)n, at);
        if (!strstr(languages_of_script, word))
            return false;
        at += n + (at[n] == '+');
    }
    return true;
}

// NULL for others and mixtures: how these read strips nobody has measured.
static const struct script *script_of(const char *names)
{
    return are_all_of(latin, names) ? &latin_script : are_all_of(han, names) ? &han_script : NULL;
}

struct kn_ocr {
    TessBaseAPI *handle;         // owned
    TessPageSegMode mode;        // that is set
    const struct script *script; // of all its languages; NULL: their lines are not read as strips
};

static void settings_make(TessBaseAPI *handle)
{
    static const char *const settings[][2] = {
        {"debug_file", "/dev/null"},      {"user_defined_dpi", PAGE_DPI},
        {"tessedit_do_invert", "0"},      // it is always dark on white
        {"tessedit_char_blacklist", "|"}, // in captions it is always an I or an l
        {"tessedit_enable_doc_dict", "0"}, // what was read before is not to change what is read now
    };
    for (size_t i = 0; i < KN_COUNT(settings); i++)
        (void)tess.set_variable(handle, settings[i][0], settings[i][1]); // a name it does not know does no harm
}

kn_code kn_ocr_check(struct kn_error *err)
{
    if (library_is_there())
        return KN_OK;
    return kn_fail_as(err, KN_EUNSUP, "OcrMissing",
                      "pictures of text cannot be read without Tesseract (%s): install 'libtesseract5'",
                      tess.problem);
}

kn_code kn_ocr_new(struct kn_ocr **out_ocr, const char *names, struct kn_error *err)
{
    *out_ocr = NULL;
    const kn_code rc = kn_ocr_check(err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_ocr_free) struct kn_ocr *ocr = calloc(1, sizeof(*ocr));
    if (!ocr || !(ocr->handle = tess.create()))
        return kn_fail(err, KN_ENOMEM, "no memory for Tesseract");
    if (tess.init(ocr->handle, model_folder(), names, OEM_LSTM_ONLY) != 0)
        return kn_fail_as(err, KN_EUNSUP, "OcrLanguageMissing",
                          "Tesseract cannot load '%s' from '%s': install its packages again", names, model_folder());
    settings_make(ocr->handle);
    ocr->script = script_of(names);
    ocr->mode = PSM_SINGLE_BLOCK;
    tess.set_mode(ocr->handle, ocr->mode);
    *out_ocr = KN_TAKE(ocr);
    return KN_OK;
}

void kn_ocr_free(struct kn_ocr **ocr)
{
    struct kn_ocr *o = *ocr;
    if (!o)
        return;
    if (o->handle)
        tess.delete_handle(o->handle);
    free(o);
    *ocr = NULL;
}

// What an image says.
struct reading {
    char *text; // owned: "" for nothing
    double confidence; // of all its words, 0 to 1
    double least;      // of the word of which it is least sure
};

static void reading_clear(struct reading *reading)
{
    free(reading->text);
    *reading = (struct reading){0};
}

static double least_confidence(struct kn_ocr *ocr)
{
    int *words = tess.word_confidences(ocr->handle);
    int least = 100;
    for (int i = 0; words && words[i] >= 0; i++)
        least = words[i] < least ? words[i] : least;
    if (words)
        tess.delete_ints(words);
    return least / 100.0;
}

static kn_code image_read(struct kn_ocr *ocr, const uint8_t *pixels, int width, int height, TessPageSegMode mode,
                          struct reading *reading, struct kn_error *err)
{
    if (mode != ocr->mode)
        tess.set_mode(ocr->handle, mode);
    ocr->mode = mode;
    tess.set_image(ocr->handle, pixels, width, height, 1, width);
    char *text = tess.text(ocr->handle);
    size_t n = text ? strlen(text) : 0;
    while (n > 0 && strchr("\n\f ", text[n - 1]))
        n--;
    *reading = (struct reading){.text = strndup(text ? text : "", n)};
    if (text)
        tess.delete_text(text);
    if (!reading->text)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption");
    reading->confidence = n > 0 ? tess.confidence(ocr->handle) / 100.0 : 0;
    reading->least = n > 0 ? least_confidence(ocr) : 0;
    return KN_OK;
}

// Rows as an image of their own: of a rectangle of a larger one Tesseract's network sees the wrong rows.
static kn_code rows_read(struct kn_ocr *ocr, const struct kn_ocr_page *page, int top, int bottom,
                         TessPageSegMode mode, struct reading *reading, struct kn_error *err)
{
    return image_read(ocr, page->pixels + (size_t)top * (size_t)page->width, page->width, bottom - top, mode, reading,
                      err);
}

/*
 * The line begins with an I that stands alone, as the picture shows; what Tesseract makes of it where it does not know
 * the words that follow is put right: "l am", "] am", "Il am", and without the blank "Tam" or "just".
 */
static kn_code lone_i_mend(struct reading *reading, struct kn_error *err)
{
    const char *text = reading->text;
    const bool is_read = text[0] && strchr("Il1|!][TL", text[0]);
    const size_t n = !is_read ? 0 : text[1] == ' ' ? 2 : kn_starts_with(text + 1, "l ") ? 3 : 1;
    // "I'm", "II", "We": not what the picture seemed to show
    if (n < 2 && (!islower((unsigned char)text[1]) || (n == 0 && !islower((unsigned char)text[0]))))
        return KN_OK;
    char *mended = NULL;
    if (asprintf(&mended, "I %s", text + n) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption");
    free(reading->text);
    reading->text = mended;
    return KN_OK;
}

// The line begins with one letter and a blank, and so does what was read.
static bool begins_as_shown(const struct reading *reading, const struct kn_ink *strip)
{
    const char *at = reading->text;
    if (!strip->begins_with_letter || !*at)
        return true;
    for (at++; (*at & 0xC0) == 0x80;) // the rest of a character
        at++;
    return *at == ' ';
}

static bool is_better(const struct reading *reading, const struct reading *than, const struct kn_ink *strip)
{
    const bool fits = begins_as_shown(reading, strip);
    return fits != begins_as_shown(than, strip) ? fits : reading->least > than->least;
}

/*
 * A line is read as a strip first, which Tesseract's network takes as it is: no search for letters, and narrower
 * than it was drawn unless it is italic, for the network's work grows with the width. Only when a word of it is in
 * doubt the line is read with all that Tesseract does, and the better reading counts.
 */
static kn_code line_read(struct kn_ocr *ocr, const struct kn_ocr_page *page, const struct kn_ink_line *line,
                         struct reading *reading, struct kn_error *err)
{
    kn_auto(kn_ink_clear) struct kn_ink strip = {0};
    const struct script *script = ocr->script;
    kn_code rc = KN_OK;
    if (script)
        rc = kn_ink_strip(&strip, page->pixels, page->width, line, line->is_italic ? &script->italic : &script->upright,
                          err);
    if (rc != KN_OK || !strip.pixels)
        return rc == KN_OK ? rows_read(ocr, page, line->top, line->bottom, PSM_SINGLE_LINE, reading, err) : rc;
    rc = image_read(ocr, strip.pixels, strip.width, strip.height, PSM_RAW_LINE, reading, err);
    if (rc == KN_OK && (reading->least < script->sure || !begins_as_shown(reading, &strip))) {
        kn_auto(reading_clear) struct reading again = {0};
        rc = rows_read(ocr, page, line->top, line->bottom, PSM_SINGLE_LINE, &again, err);
        if (rc == KN_OK && is_better(&again, reading, &strip)) {
            const struct reading worse = *reading;
            *reading = again;
            again = worse;
        }
    }
    return rc == KN_OK && script == &latin_script && strip.begins_with_stroke ? lone_i_mend(reading, err) : rc;
}

// Adds what was read, as lines of their own; false when that is nothing.
static bool reading_add(const struct reading *reading, struct kn_buf *out, double *confidence)
{
    if (!reading->text || !reading->text[0])
        return false;
    *confidence = reading->confidence < *confidence ? reading->confidence : *confidence;
    if (out->len)
        kn_buf_putc(out, '\n');
    kn_buf_puts(out, reading->text);
    return true;
}

kn_code kn_ocr_read(struct kn_ocr *ocr, const struct kn_ocr_page *page, struct kn_arena *arena,
                    const char **out_text, double *out_confidence, struct kn_error *err)
{
    // A page of which a line says nothing is read as a whole; one that then says nothing, as it stands.
    static const TessPageSegMode wholes[] = {PSM_SINGLE_BLOCK, PSM_RAW_LINE};
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    double confidence = 1;
    bool is_read = page->n_lines > 0;
    kn_code rc = KN_OK;
    for (int i = 0; i < page->n_lines && is_read && rc == KN_OK; i++) {
        kn_auto(reading_clear) struct reading reading = {0};
        rc = line_read(ocr, page, &page->lines[i], &reading, err);
        is_read = reading_add(&reading, &text, &confidence);
    }
    for (size_t i = 0; i < KN_COUNT(wholes) && !is_read && rc == KN_OK; i++) {
        kn_auto(reading_clear) struct reading reading = {0};
        kn_buf_reset(&text);
        confidence = 1;
        rc = rows_read(ocr, page, 0, page->height, wholes[i], &reading, err);
        is_read = reading_add(&reading, &text, &confidence);
    }
    tess.clear(ocr->handle);
    *out_text = kn_buf_ok(&text) ? kn_arena_strdup(arena, kn_buf_text(&text)) : NULL;
    *out_confidence = text.len ? confidence : 0;
    if (rc != KN_OK)
        return rc;
    return *out_text ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a caption");
}
