#pragma once
/*
 * VobSub as a pair of files: an index in text (.idx) and the pictures in an MPEG program stream (.sub). The
 * index says when and where, so of the pictures only those that are asked for are read.
 *
 *     # VobSub index file, v7
 *     size: 720x576
 *     palette: 000000, ffffff, …
 *     id: en, index: 0                                   a track, and its number in the stream
 *     delay: -00:00:01:000                               added to what follows
 *     timestamp: 00:00:01:101, filepos: 000000000        hexadecimal
 */
#include "engine/caption/harvest_part.h"

bool kn_vobsub_is_one(const uint8_t *head, size_t n);

/*
 * Read the index that `harvest` has in its window; from then on the window shows `pictures`.
 *
 *   pictures  taken on success
 *
 * KN_EMEDIA  reason "ResourceContentBad": it names no pictures
 */
kn_code kn_vobsub_open(struct kn_harvest *harvest, struct kn_source **pictures, struct kn_error *err);

/*
 * The name of the file with the pictures, malloc'd; NULL when `uri` does not end in .idx, or without memory. And the
 * other way round, of .sub.
 */
char *kn_vobsub_pictures_uri(const char *uri);
char *kn_vobsub_index_uri(const char *uri);
