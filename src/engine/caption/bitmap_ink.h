#pragma once
/*
 * A caption's picture as an engine likes to read it: dark upright text on white, of a size that suits, with
 * a margin.
 *
 * What is text and what only surrounds it is told by the picture's own colours: bright and dark ones are two
 * classes, and the text is the one that touches less of the transparent outside, for an outline or a box
 * always lies between the text and the outside. Contrast is not stretched and colours are not guessed.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/caption/bitmap.h"

// Lines of text in one picture; what is beyond them is read with the last.
#define KN_MAX_INK_LINES 16

// A line of text on the page, with the paper above and below that is its own.
struct kn_ink_line {
    int top, bottom; // rows [top, bottom)
    bool is_italic;  // slanted in the picture; upright on the page
};

// Where a line's text is in the picture, in pixels of it.
struct kn_ink_box {
    int left, top, right, bottom; // columns [left, right), rows [top, bottom)
};

struct kn_ink {
    uint8_t *pixels; // owned: width * height, 0 is ink, 255 is paper
    int width, height;
    struct kn_ink_line lines[KN_MAX_INK_LINES];
    struct kn_ink_box boxes[KN_MAX_INK_LINES]; // of the same lines
    int n_lines;     // rows of text that were told apart
    bool begins_with_stroke; // of a strip: one upright stroke, plain or with serifs, and then a blank; that is an I
    bool begins_with_letter; // of a strip: one other letter, or a dash, and then a blank
    bool is_regular; // they are of one size, as lines of text are and parts of characters are not
};

/*
 *   ink  filled on success; release with kn_ink_clear(). Empty (no pixels) when there is nothing to read.
 */
kn_code kn_ink_make(struct kn_ink *ink, const struct kn_bitmap_object *object, struct kn_error *err);
void kn_ink_clear(struct kn_ink *ink);

// A strip as a network was trained with it.
struct kn_ink_shape {
    int height;       // rows, which is what the network takes: it has nothing left to scale
    int margin;       // of them without ink, above and below; columns at both ends as well
    int more_blank;   // columns by which blanks between words are widened
    double widen;     // width of letters in parts of what they have
    double least;     // lines that are less long, in parts of their height, are no strips
};

/*
 * One line of a page as a network takes it that wants rows of one height: nothing but its ink.
 *
 *   strip   filled on success; release with kn_ink_clear(). Empty (no pixels) when the line is too low or too
 *           short to be told from dots and dashes without what is around it.
 *   pixels  of the page, `width` to a row
 */
kn_code kn_ink_strip(struct kn_ink *strip, const uint8_t *pixels, int width, const struct kn_ink_line *line,
                     const struct kn_ink_shape *shape, struct kn_error *err);
