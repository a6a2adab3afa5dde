#pragma once
/*
 * The one place where a kn_code and its reason become what the wire calls an error: HTTP status,
 * Code and Message (spec 01, 8.3). Job objects take their Code and Message from here too.
 *
 * Messages are wire strings: clients match on them. Where the vendor's has a gap, it is filled with
 * the subject that our own sentence quotes first ('Config.Inputs[0].Name').
 */
#include "base/error.h"

struct kn_wire_error {
    int status;           // of HTTP
    const char *code;     // static
    char message[1024];
    const char *detail;   // our own sentence, borrowed from the error; NULL when it says no more
    int retry_after_ms;   // > 0: tell the client to wait this long
};

/* Fill `wire` from an error that ends a call. `err` must outlive it. */
void kn_wire_error_of(struct kn_wire_error *wire, const struct kn_error *err);

/* The same in the words of a product that has its own ("imm": spec 08, section 7). */
void kn_wire_error_of_product(struct kn_wire_error *wire, const char *product, const struct kn_error *err);

/* Code and Message of a failed task of IMM; all three texts may be NULL. */
void kn_wire_error_of_task(const char *code_name, const char *reason, const char *message,
                           char out_code[64], char out_message[1024]);

/* The same for a finished job: code_name is kn_code_name()'s; reason and message may be NULL. */
void kn_wire_error_of_job(struct kn_wire_error *wire, const char *code_name, const char *reason,
                          const char *message);
