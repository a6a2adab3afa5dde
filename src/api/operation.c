/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking operations up in the table that the build makes from spec/. */
#include "api/operation.h"

#include <string.h>

#include "base/strings.h"

const struct kn_product *kn_product_of_version(const char *version)
{
    for (size_t i = 0; i < kn_n_products; i++) {
        if (strcmp(kn_products[i].version, version) == 0)
            return &kn_products[i];
    }
    return NULL;
}

static int operation_compare(const struct kn_operation *op, const char *version, const char *name)
{
    int order = strcmp(op->version, version);
    return order ? order : strcmp(op->name, name);
}

const struct kn_operation *kn_operation_find(const char *version, const char *name)
{
    size_t low = 0, high = kn_n_operations;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = operation_compare(&kn_operations[middle], version, name);
        if (order == 0)
            return &kn_operations[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    // inferred: action names are matched exactly, then in any case (spec 01, section 2).
    for (size_t i = 0; i < kn_n_operations; i++) {
        if (strcmp(kn_operations[i].version, version) == 0 &&
            kn_equal_nocase(kn_operations[i].name, name))
            return &kn_operations[i];
    }
    return NULL;
}
