/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is done before and after Tesseract reads: languages to models, text to better text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "engine/caption/ocr.h"
#include "engine/caption/ocr_text.h"

// A folder with these models, which are empty, for kn_ocr_language() to find.
static int models_make(void **state)
{
    static const char *const names[] = {"eng", "chi_sim", "fra", "srp_latn", "osd"};
    (void)state;
    if (mkdir("models", 0700) != 0)
        return -1;
    for (size_t i = 0; i < KN_COUNT(names); i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "models/%s.traineddata", names[i]);
        kn_auto(kn_close_file) FILE *file = fopen(path, "w");
        if (!file)
            return -1;
    }
    return setenv("TESSDATA_PREFIX", "models", 1);
}

static void language_is(const char *language, const char *expected)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_error err = {0};
    const char *names = NULL;
    if (kn_ocr_language(language, &arena, &names, &err) != KN_OK)
        fail_msg("'%s': %s", language, err.message);
    assert_string_equal(names, expected);
}

static void language_fails(const char *language, const char *reason, const char *message)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_error err = {0};
    const char *names = NULL;
    assert_int_equal(kn_ocr_language(language, &arena, &names, &err), KN_EUNSUP);
    assert_null(names);
    assert_string_equal(err.reason, reason);
    assert_string_equal(err.message, message);
}

static void languages_are_known_by_all_their_names(void **state)
{
    (void)state;
    language_is("eng", "eng");
    language_is("en", "eng");
    language_is("en-GB", "eng");
    language_is("fre", "fra");
    language_is("fra", "fra");
    language_is("chi", "chi_sim");
    language_is("zh-Hans-CN", "chi_sim");
    language_is("chi_sim", "chi_sim");
    language_is("srp", "srp_latn"); // the model there is, of two
    language_is("en+fr", "eng+fra");
}

static void a_missing_model_is_a_package_to_install(void **state)
{
    (void)state;
    language_fails("ger", "OcrLanguageMissing",
                   "pictures of text in 'ger' cannot be read: install 'tesseract-ocr-deu'");
    language_fails("zh-TW", "OcrLanguageMissing",
                   "pictures of text in 'zh-TW' cannot be read: install 'tesseract-ocr-chi-tra'");
    language_fails("eng+jpn", "OcrLanguageMissing",
                   "pictures of text in 'jpn' cannot be read: install 'tesseract-ocr-jpn'");
}

static void no_language_is_never_english(void **state)
{
    (void)state;
    static const char unsaid[] = "what language its pictures of text are in is not said: say it with --ocr-language, "
                                 "over the API with the tag ocr.lang";
    language_fails("und", "OcrLanguageUnknown", unsaid);
    language_fails(NULL, "OcrLanguageUnknown", unsaid);
    language_fails("tlh", "OcrLanguageUnknown", "there is no reading of text in the language 'tlh'");
    language_fails("../eng", "OcrLanguageUnknown", "'../eng' is no language");
    language_fails("eng++", "OcrLanguageUnknown", "'eng++' is no language");
}

static void installed_languages_are_listed(void **state)
{
    (void)state;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    int n;
    const char **names = kn_ocr_languages(&arena, &n);
    assert_int_equal(n, 4);
    assert_string_equal(names[0], "chi_sim");
    assert_string_equal(names[3], "srp_latn");
}

static void cleaned(const char *text, const char *expected)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    assert_string_equal(kn_ocr_text_clean(text, &arena), expected);
}

static void text_is_cleaned_of_what_no_picture_says(void **state)
{
    (void)state;
    cleaned("  Hello  there \n\n\nyou \n", "Hello there\nyou");
    cleaned("Wait. . . what", "Wait... what");
    cleaned("It is. A dog.", "It is. A dog.");
    cleaned("\xE4\xBD\xA0 \xE5\xA5\xBD \xEF\xBC\x8C ok \xE5\x90\x97",
            "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C ok \xE5\x90\x97");
    cleaned("\xE4\xBB\x96\xE8\xAF\xB4 : \xE2\x80\x9C\xE5\xA5\xBD ?",
            "\xE4\xBB\x96\xE8\xAF\xB4\xEF\xBC\x9A\xE2\x80\x9C\xE5\xA5\xBD\xEF\xBC\x9F");
    cleaned("Really ? 10:45, OK !", "Really ? 10:45, OK !");
    cleaned("\xE4\xBD\xA0\n\xE5\xA5\xBD", "\xE4\xBD\xA0\n\xE5\xA5\xBD");
    cleaned("", "");
    cleaned("\xFF", "");
}

static void corrected(const char *text, const char *expected)
{
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    assert_string_equal(kn_ocr_text_correct(text, &arena), expected);
}

static void what_is_often_misread_is_corrected(void **state)
{
    (void)state;
    corrected("| know", "I know");
    corrected("l know, and l'm sure l'll go", "I know, and I'm sure I'll go");
    corrected("heIlo he11o wor1d", "hello hello world");
    corrected("''Yes,'' he said", "\"Yes,\" he said");
    corrected("G0OD 2O15", "GOOD 2015");
    corrected("# La la la #", "\xE2\x99\xAA La la la \xE2\x99\xAA");
    corrected("# La la\nla #", "\xE2\x99\xAA La la\nla \xE2\x99\xAA");
    corrected("J' La la J'\nd la d", "\xE2\x99\xAA La la \xE2\x99\xAA\n\xE2\x99\xAA la \xE2\x99\xAA");
    corrected("# One #\n# Two #", "\xE2\x99\xAA One \xE2\x99\xAA\n\xE2\x99\xAA Two \xE2\x99\xAA");
    corrected("room # 5", "room # 5");
    corrected("did he say so, dad", "did he say so, dad");
}

static void what_is_right_stays(void **state)
{
    (void)state;
    corrected("I will, all of it. l'amour, l'eau", "I will, all of it. l'amour, l'eau");
    corrected("Henry III and McIntosh", "Henry III and McIntosh");
    corrected("It's 10:30, room 101", "It's 10:30, room 101");
    corrected("don't, o'clock", "don't, o'clock");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(languages_are_known_by_all_their_names),
        cmocka_unit_test(a_missing_model_is_a_package_to_install),
        cmocka_unit_test(no_language_is_never_english),
        cmocka_unit_test(installed_languages_are_listed),
        cmocka_unit_test(text_is_cleaned_of_what_no_picture_says),
        cmocka_unit_test(what_is_often_misread_is_corrected),
        cmocka_unit_test(what_is_right_stays),
    };
    return cmocka_run_group_tests_name("engine/caption/ocr", tests, models_make, NULL);
}
