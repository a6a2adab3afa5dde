#pragma once
/*
 * The operations of the wire, one row each. The rows are made from spec/<product>/<Operation>.json by
 * tools/make-operations; a new operation is a spec file and a handler of the name that follows from
 * it: spec/ice/GetPipeline.json -> kn_ice_get_pipeline().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/access.h"
#include "base/error.h"

struct kn_call;

enum kn_param_kind {
    KN_PARAM_STRING = 0,
    KN_PARAM_INTEGER,
    KN_PARAM_NUMBER,
    KN_PARAM_BOOLEAN,
    KN_PARAM_TIME,    // YYYY-MM-DDThh:mm:ssZ
    KN_PARAM_OBJECT,  // JSON text, or flattened (spec 01, 2.2)
    KN_PARAM_ARRAY,   // JSON text, or flattened
    KN_PARAM_STRINGS, // an array of strings: JSON text, flattened, or with commas
};

struct kn_param {
    const char *name;
    enum kn_param_kind kind;
    bool is_required;
    bool has_range;            // of numbers: min and max, both included
    int64_t min, max;
    size_t max_bytes;          // of the text as sent; 0: no limit of its own
    const char *const *values; // NULL-terminated; NULL: anything
};

struct kn_operation {
    const char *product; // "ice"
    const char *version; // "2020-11-09"
    const char *name;
    kn_code (*handler)(struct kn_call *call, struct kn_error *err);
    enum kn_role role;   // the least that the caller's key must have
    bool changes;        // writes something: never runs on a loop thread, its nonce is durable
    bool keeps_nonce;    // the handler commits the nonce together with its record
    const struct kn_param *params;
    size_t n_params;
};

struct kn_product {
    const char *name;    // "ice"
    const char *version;
};

extern const struct kn_operation kn_operations[]; // by version, then name
extern const size_t kn_n_operations;
extern const struct kn_product kn_products[];
extern const size_t kn_n_products;

/* The product with this API version, or NULL. */
const struct kn_product *kn_product_of_version(const char *version);
/* By exact name, else by name in any case; NULL when there is none. */
const struct kn_operation *kn_operation_find(const char *version, const char *name);
