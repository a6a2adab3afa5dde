#pragma once
/* Random identifiers in the forms the wire uses. Thread-safe. */
#include <stddef.h>

#define KN_ID_SIZE 33 // 32 characters and the NUL

void kn_random(void *out, size_t n);          // cryptographic; aborts if the kernel has none
void kn_id_hex(char out[KN_ID_SIZE]);         // 32 lower-case hex: jobs, tasks, templates, pipelines
void kn_id_upper(char out[KN_ID_SIZE]);       // 32 upper-case hex: OSS upload ids
void kn_id_uuid(char out[37]);                // upper-case UUID v4: RequestId
/* Letters and digits, n characters and a NUL: keys and secrets. */
void kn_id_token(char *out, size_t n);
