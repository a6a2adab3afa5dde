/* SPDX-License-Identifier: GPL-3.0-or-later */
/* uchardet's guess, put right for Chinese. */
#include "engine/caption/guess.h"

#include <stdbool.h>
#include <stdint.h>

#include <uchardet/uchardet.h>

#include "base/cleanup.h"
#include "base/strings.h"

// The detector decides within a few kilobytes; more only costs time.
#define DETECT_BYTES (256 * 1024)

// Whether all that is not ASCII are pairs of GB 2312's punctuation and its 3,755 frequent characters, so that a
// few words of Chinese are not taken for Arabic. Lower-case letters of other scripts lie beyond them.
static bool is_chinese(const uint8_t *at, size_t n)
{
    size_t n_pairs = 0;
    for (size_t i = 0; i < n; i++) {
        if (at[i] < 0x80)
            continue;
        const bool is_lead = (at[i] >= 0xA1 && at[i] <= 0xA3) || (at[i] >= 0xB0 && at[i] <= 0xD7);
        if (!is_lead || i + 1 == n || at[i + 1] < 0xA1 || at[i + 1] == 0xFF)
            return false;
        n_pairs++;
        i++;
    }
    return n_pairs >= 4;
}

kn_code kn_caption_guess(char out[40], const char *bytes, size_t n, struct kn_error *err)
{
    (void)err;
    out[0] = '\0';
    uchardet_t detector = uchardet_new();
    if (uchardet_handle_data(detector, bytes, n < DETECT_BYTES ? n : DETECT_BYTES) == 0) {
        uchardet_data_end(detector);
        (void)kn_copy(out, 40, uchardet_get_charset(detector));
    }
    uchardet_delete(detector);
    // GB 2312 is the oldest part of GB 18030; what calls itself the one is often the other.
    if (kn_equal_nocase(out, "GB2312") || kn_equal_nocase(out, "GBK") || kn_equal_nocase(out, "HZ-GB-2312"))
        (void)kn_copy(out, 40, "GB18030");
    static const char *const unsure[] = {"", "WINDOWS-1256", "WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1255",
                                         "WINDOWS-1258", "ISO-8859-1", "ISO-8859-15", "ISO-8859-6", "ISO-8859-7"};
    for (size_t i = 0; i < KN_COUNT(unsure); i++)
        if (kn_equal_nocase(out, unsure[i]) && is_chinese((const uint8_t *)bytes, n))
            (void)kn_copy(out, 40, "GB18030");
    return KN_OK;
}
