/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/teletext_letters.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/teletext_order.h"
#include "engine/caption/text.h"

enum alphabet { LATIN = 0, SERBIAN, RUSSIAN, UKRAINIAN, GREEK, HEBREW, ARABIC };

enum national {
    PLAIN = 0, ENGLISH, GERMAN, SWEDISH, ITALIAN, FRENCH, SPANISH, CZECH, POLISH, TURKISH, CROATIAN, ROMANIAN,
    ESTONIAN, LETTISH,
};

// Codes that a national option replaces, and by which letters (table 36). The Polish capital is drawn with a stroke
// and stands for Z with a dot; the Romanian letters with cedillas for those with commas.
static const char national_codes[] = "#$@[\\]^_`{|}~";
static const char *const nationals[] = {
    [PLAIN] = "#¤@[\\]^_`{¦}~",      [ENGLISH] = "£$@←½→↑#—¼‖¾÷",  [GERMAN] = "#$§ÄÖÜ^_°äöüß",
    [SWEDISH] = "#¤ÉÄÖÅÜ_éäöåü",     [ITALIAN] = "£$é°ç→↑#ùàòèì",  [FRENCH] = "éïàëêùî#èâôûç",
    [SPANISH] = "ç$¡áéíóú¿üñèà",     [CZECH] = "#ůčťžýířéáěúš",    [POLISH] = "#ńąŻŚŁćóężśłź",
    [TURKISH] = "₤ğİŞÖÇÜĞışöçü",     [CROATIAN] = "#ËČĆŽĐŠëčćžđš", [ROMANIAN] = "#¤ȚÂȘĂÎıțâșăî",
    [ESTONIAN] = "#õŠÄÖŽÜÕšäöžü",    [LETTISH] = "#$ŠėęŽčūšąųžį",
};

// Codes 0x40 to 0x7F (tables 38 to 42, 44, 46). The Arabic set has a place for each form of a letter; text has none.
// Its last place is lam and alef.
static const char *const alphabets[] = {
    [SERBIAN] = "ЧАБЦДЕФГХИЈКЛМНОПЌРСТУВЃЉЊЗЋЖЂШЏчабцдефгхијклмнопќрстувѓљњзћжђш■",
    [RUSSIAN] = "ЮАБЦДЕФГХИЙКЛМНОПЯРСТУЖВЬЪЗШЭЩЧЫюабцдефгхийклмнопярстужвьъзшэщч■",
    [UKRAINIAN] = "ЮАБЦДЕФГХИЙКЛМНОПЯРСТУЖВЬІЗШЄЩЧЇюабцдефгхийклмнопярстужвьізшєщч■",
    [GREEK] = "ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡʹΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώ■",
    [HEBREW] = "@ABCDEFGHIJKLMNOPQRSTUVWXYZ←½→↑#אבגדהוזחטיךכלםמןנסעףפץצקרשת₪‖¾÷■",
    [ARABIC] = "ةءببتتاابةتثجحخدذرزسشصضطظعغثجحخ#ـفقكلمنهوىيثجحخيىعغففققكللممننﻻ■",
};

// Supplementary sets (tables 37, 41, 43, 45), 0x20 to 0x7F. What differs in the others is in extra_letter().
static const char latin_extra[] =
    " ¡¢£$¥#§¤‘“«←↑→↓°±²³×µ¶·÷’”»¼½¾¿ ˋˊˆ˜ˉ˘˙¨.˚¸_˝˛ˇ—¹®©™♪₠‰ɑ   ⅛⅜⅝⅞ΩÆĐªĦ ĲĿŁØŒºÞŦŊŉĸæđðħıĳŀłøœßþŧŋ■";
static const char cyrillic_extra[] = "DEFGIJKLNQRSUVWZdefgijklnqrsuvwz";
static const char arabic_extra[] =
    " عآأؤإئئچچچپپپژگ٠١٢٣٤٥٦٧٨٩غغﻻهههàABCDEFGHIJKLMNOPQRSTUVWXYZëêùîعéabcdefghijklmnopqrstuvwxyzâôûç■";
static const char greek_extra[] = "CDFGJLQRSUVWYZΆΉcdfgjlqrsuvwyzΈ■";

// Regions of this and higher designations share the Arabic supplementary set (table 33).
#define FIRST_ARABIC 64

static const struct set {
    uint8_t designation;
    uint8_t alphabet, national;
} sets[] = {
    {0, LATIN, ENGLISH},    {1, LATIN, GERMAN},    {2, LATIN, SWEDISH},   {3, LATIN, ITALIAN},  {4, LATIN, FRENCH},
    {5, LATIN, SPANISH},    {6, LATIN, CZECH},     {7, LATIN, PLAIN},     {8, LATIN, POLISH},   {9, LATIN, GERMAN},
    {10, LATIN, SWEDISH},   {11, LATIN, ITALIAN},  {12, LATIN, FRENCH},   {14, LATIN, CZECH},   {16, LATIN, ENGLISH},
    {17, LATIN, GERMAN},    {18, LATIN, SWEDISH},  {19, LATIN, ITALIAN},  {20, LATIN, FRENCH},  {21, LATIN, SPANISH},
    {22, LATIN, TURKISH},   {29, LATIN, CROATIAN}, {31, LATIN, ROMANIAN}, {32, SERBIAN, PLAIN}, {33, LATIN, GERMAN},
    {34, LATIN, ESTONIAN},  {35, LATIN, LETTISH},  {36, RUSSIAN, PLAIN},  {37, UKRAINIAN, PLAIN}, {38, LATIN, CZECH},
    {54, LATIN, TURKISH},   {55, GREEK, PLAIN},    {64, LATIN, ENGLISH},  {68, LATIN, FRENCH},  {71, ARABIC, PLAIN},
    {85, HEBREW, PLAIN},    {87, ARABIC, PLAIN},
};

static const struct {
    const char *language; // ISO 639-2, both kinds of code
    uint8_t designation;
} homes[] = {
    {"pol", 8},  {"tur", 22}, {"hrv", 29}, {"scr", 29}, {"slv", 29}, {"srp", 29}, {"scc", 29}, {"bos", 29},
    {"ron", 31}, {"rum", 31}, {"est", 34}, {"lav", 35}, {"lit", 35}, {"rus", 36}, {"bul", 36}, {"bel", 36},
    {"ukr", 37}, {"mkd", 32}, {"mac", 32}, {"ell", 55}, {"gre", 55}, {"heb", 85}, {"ara", 87},
};

static const struct set *set_find(int designation)
{
    for (size_t i = 0; i < KN_COUNT(sets); i++)
        if (sets[i].designation == designation)
            return &sets[i];
    return NULL;
}

static const struct set *set_of(int designation)
{
    const struct set *set = set_find(designation);
    return set ? set : &sets[0];
}

// The nth character of a text of UTF-8; U+FFFD behind its end.
static uint32_t nth_letter(const char *text, unsigned nth)
{
    size_t left = strlen(text), n = 0;
    for (; left; text += n, left -= n) {
        const uint32_t letter = kn_caption_character(text, left, &n);
        if (nth-- == 0)
            return letter;
    }
    return 0xFFFD;
}

int kn_teletext_set(int designation, unsigned national, const char *language)
{
    const int option = (int)(national & 7);
    if (designation >= 0 && set_find((designation & ~7) | option))
        return (designation & ~7) | option;
    if (designation >= 0 && set_find(designation))
        return designation;
    for (size_t i = 0; language && i < KN_COUNT(homes); i++)
        if (kn_equal_nocase(homes[i].language, language) &&
            ((homes[i].designation & 7) == option || !kn_teletext_is_latin(homes[i].designation)))
            return homes[i].designation;
    return option;
}

bool kn_teletext_is_rtl(int set)
{
    return set_of(set)->alphabet >= HEBREW;
}

bool kn_teletext_is_latin(int set)
{
    return set_of(set)->alphabet == LATIN;
}

// Codes of the Arabic set below 0x40, as they look.
static uint32_t arabic_sign(uint8_t code)
{
    switch (code) {
    case 0x26: return KN_TELETEXT_TAIL;
    case 0x27: return 0x64A;
    case 0x28: return ')';
    case 0x29: return '(';
    case 0x2C: return 0x60C;
    case 0x3B: return 0x61B;
    case 0x3C: return '>';
    case 0x3E: return '<';
    case 0x3F: return 0x61F;
    default: return code;
    }
}

uint32_t kn_teletext_letter(int set, uint8_t code)
{
    const struct set *found = set_of(set);
    code &= 0x7F;
    if (found->alphabet != LATIN && code >= 0x40)
        return nth_letter(alphabets[found->alphabet], code - 0x40u);
    if (code == 0x26 && (found->alphabet == RUSSIAN || found->alphabet == UKRAINIAN))
        return found->alphabet == RUSSIAN ? 0x44B : 0x457;
    if (found->alphabet == GREEK && (code == 0x3C || code == 0x3E))
        return code == 0x3C ? 0xAB : 0xBB;
    if (found->alphabet >= HEBREW && code == 0x23)
        return 0xA3;
    if (found->alphabet == ARABIC)
        return arabic_sign(code);
    const char *at = code ? strchr(national_codes, code) : NULL;
    if (at)
        return nth_letter(nationals[found->national], (unsigned)(at - national_codes));
    return code == 0x7F ? 0x25A0 : code;
}

uint32_t kn_teletext_extra_letter(int set, uint8_t code)
{
    static const struct {
        uint8_t code;
        uint16_t letter;
    } greek[] = {{0x21, 'a'}, {0x22, 'b'}, {0x24, 'e'}, {0x25, 'h'}, {0x26, 'i'}, {0x28, ':'},    {0x2B, 'k'},
                 {0x35, 'm'}, {0x36, 'n'}, {0x37, 'p'}, {0x3B, 't'}, {0x3F, 'x'}, {0x50, '?'},    {0x59, 0x38A},
                 {0x5A, 0x38E}, {0x5B, 0x38F}};
    static const uint16_t cyrillic[] = {0x141, 0x142, 0xDF}; // 0x59 to 0x5B
    const int alphabet = set_of(set)->alphabet;
    const bool is_cyrillic = alphabet >= SERBIAN && alphabet <= UKRAINIAN;
    if (code < 0x20)
        return 0xFFFD;
    if (set_of(set)->designation >= FIRST_ARABIC)
        return nth_letter(arabic_extra, code - 0x20u);
    if (is_cyrillic && code >= 0x59 && code <= 0x5B)
        return cyrillic[code - 0x59];
    if (is_cyrillic && code >= 0x60)
        return nth_letter(cyrillic_extra, code - 0x60u);
    if (alphabet == GREEK && code >= 0x60)
        return nth_letter(greek_extra, code - 0x60u);
    for (size_t i = 0; alphabet == GREEK && i < KN_COUNT(greek); i++)
        if (greek[i].code == code)
            return greek[i].letter;
    return nth_letter(latin_extra, code - 0x20u);
}

uint32_t kn_teletext_marked_letter(uint32_t letter, unsigned mark, uint32_t *out_mark)
{
    // A letter, and the same with its mark (Unicode's canonical compositions of Latin letters).
    static const struct {
        uint16_t combining;
        const char *pairs;
    } marks[16] = {
        [1] = {0x300, "AÀEÈIÌOÒUÙaàeèiìoòuùıì"},
        [2] = {0x301, "AÁCĆEÉIÍLĹNŃOÓRŔSŚUÚYÝZŹaácćeéiílĺnńoórŕsśuúyýzźıí"},
        [3] = {0x302, "AÂCĈEÊGĜHĤIÎJĴOÔSŜUÛWŴYŶaâcĉeêgĝhĥiîjĵoôsŝuûwŵyŷıî"},
        [4] = {0x303, "AÃIĨNÑOÕUŨaãiĩnñoõuũ"},
        [5] = {0x304, "AĀEĒIĪOŌUŪaāeēiīoōuū"},
        [6] = {0x306, "AĂGĞUŬaăgğuŭ"},
        [7] = {0x307, "CĊEĖGĠIİZŻcċeėgġzż"},
        [8] = {0x308, "AÄEËIÏOÖUÜYŸaäeëiïoöuüyÿıï"},
        [9] = {0x323, ""},
        [10] = {0x30A, "AÅUŮaåuů"},
        [11] = {0x327, "CÇGĢKĶLĻNŅRŖSŞTŢcçgģkķlļnņrŗsştţ"},
        [12] = {0x332, ""},
        [13] = {0x30B, "OŐUŰoőuű"},
        [14] = {0x328, "AĄEĘIĮUŲaąeęiįuų"},
        [15] = {0x30C, "CČDĎEĚLĽNŇRŘSŠTŤZŽcčdďeělľnňrřsštťzž"},
    };
    *out_mark = 0;
    mark &= 15;
    if (mark == 0)
        return letter;
    const char *at = marks[mark].pairs;
    size_t left = strlen(at), n = 0;
    while (left) {
        const uint32_t plain = kn_caption_character(at, left, &n);
        at += n;
        left -= n;
        const uint32_t marked = kn_caption_character(at, left, &n);
        at += n;
        left -= n;
        if (plain == letter)
            return marked;
    }
    *out_mark = marks[mark].combining;
    return letter;
}

/* ---- codes that put errors right ---- */
int kn_teletext_hamming_8_4(uint8_t byte)
{
    // The sixteen code words differ from each other in four bits, so one wrong bit leaves the nearest.
    static const uint8_t words[16] = {0x15, 0x02, 0x49, 0x5E, 0x64, 0x73, 0x38, 0x2F,
                                      0xD0, 0xC7, 0x8C, 0x9B, 0xA1, 0xB6, 0xFD, 0xEA};
    for (int i = 0; i < 16; i++) {
        const unsigned wrong = (unsigned)(byte ^ words[i]);
        if ((wrong & (wrong - 1)) == 0)
            return i;
    }
    return -1;
}

int32_t kn_teletext_hamming_24_18(const uint8_t bytes[3])
{
    uint32_t word = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    unsigned places = 31; // every test counts ones to an odd number
    for (unsigned i = 1; i < 24; i++)
        if (word >> (i - 1) & 1)
            places ^= i;
    const bool is_odd = __builtin_parity(word);
    if (places && (is_odd || places > 23))
        return -1;
    if (places)
        word ^= 1u << (places - 1);
    return (int32_t)((word >> 2 & 1) | (word >> 4 & 7) << 1 | (word >> 8 & 0x7F) << 4 | (word >> 16 & 0x7F) << 11);
}
