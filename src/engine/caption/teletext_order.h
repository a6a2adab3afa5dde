#pragma once
/*
 * Lines of Hebrew and Arabic are sent as the screen shows them, from the left. This is the way back to the order in
 * which they are read and stored: what the Unicode Bidirectional Algorithm would show as that line.
 */
#include <stdint.h>

/*
 * Put the letters of one line into the order they are read in.
 *
 *   letters  from the left of the screen; a blank where there is none. Brackets that look the other way in the text
 *            itself are turned, the tail of an Arabic letter is left out behind the letter it belongs to
 *   order    of each letter, where it stood before; room for n, which is at most 255
 *
 * Returns how many there are then. A line without a letter of right-to-left scripts stays as it is.
 */
int kn_teletext_order(uint32_t *letters, uint8_t *order, int n);

/* The tail of seen, sheen, sad and dad, which has a place of its own behind them in EN 300 706's Arabic set. */
#define KN_TELETEXT_TAIL 0xFE73
/* Lam and alef in one place: two letters in text. */
#define KN_TELETEXT_LAM_ALEF 0xFEFB
