#pragma once
/*
 * What the codes of teletext mean: letters of EN 300 706, 15 (alphabets, national options, marks above and
 * below letters) and the codes that put errors right, 8.2 and 8.3.
 *
 * A set is named by its designation, 7 bits: four of the region, three of the national option (table 32).
 */
#include <stdbool.h>
#include <stdint.h>

/*
 * Which set a page is written in.
 *
 *   designation  what packet X/28 or M/29 says; -1 when there is none
 *   national     the page header's option, C12 to C14
 *   language     ISO 639-2 of the stream: it decides where no packet does, for many broadcasters count on
 *                sets that their country's television sets have built in
 */
int kn_teletext_set(int designation, unsigned national, const char *language);

/*
 * The letter of a code, 0x20 to 0x7F, as it looks on the screen: what teletext_order.h takes. Of Arabic, the letter
 * without its form, KN_TELETEXT_TAIL or KN_TELETEXT_LAM_ALEF.
 */
uint32_t kn_teletext_letter(int set, uint8_t code);
/* The letter of the supplementary set (G2). */
uint32_t kn_teletext_extra_letter(int set, uint8_t code);
/* `letter` with the mark 1-15 (grave, acute, …) on it; *out_mark is 0, or a combining mark where no such letter is. */
uint32_t kn_teletext_marked_letter(uint32_t letter, unsigned mark, uint32_t *out_mark);
/* Whether the set is written from right to left, in the order of the screen. */
bool kn_teletext_is_rtl(int set);
bool kn_teletext_is_latin(int set);

/* Four bits out of eight, one wrong bit put right; -1 when more are wrong. */
int kn_teletext_hamming_8_4(uint8_t byte);
/* Eighteen bits out of three bytes; -1 when more than one is wrong. */
int32_t kn_teletext_hamming_24_18(const uint8_t bytes[3]);
