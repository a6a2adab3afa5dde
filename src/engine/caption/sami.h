#pragma once
/*
 * SAMI's classes: the languages of one file, whose texts stand beside each other at the same times.
 *
 *     <STYLE> .KRCC { Name: Korean; lang: ko-KR; }  .ENCC { Name: English; lang: en-US; } </STYLE>
 *     <SYNC Start=1000> <P Class=KRCC>annyeong <P Class=ENCC>Hello
 *     <SYNC Start=2000> <P Class=KRCC>&nbsp;                      takes the Korean text away, and only that
 *
 * A file of one class is what libavformat reads (small.h), so each language is made such a file.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

// Broadcasters had two; a file with more than this is read as one.
#define KN_MAX_SAMI_CLASSES 32

struct kn_sami_class {
    char name[32];     // as <P Class=…> has it
    char language[36]; // its `lang` in the style; "" when that does not say
    char title[64];    // its `Name`
};

/* Whether the first bytes of a file, in whatever encoding, look like SAMI. */
bool kn_sami_is_one(const char *bytes, size_t n);

/*
 * The classes that have text of their own, in the order they come.
 *
 *   text  UTF-8, ended by '\0'
 *
 * Returns how many; 0 when none is named, or more than KN_MAX_SAMI_CLASSES are.
 */
size_t kn_sami_classes(const char *text, size_t n, struct kn_sami_class out[KN_MAX_SAMI_CLASSES]);

/* Append the file without the texts of other classes; those of no class are everybody's. */
void kn_sami_keep(struct kn_buf *out, const char *text, size_t n, const char *class_name);
