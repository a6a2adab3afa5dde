#pragma once
/*
 * Holding answers against spec/: every test of the API checks every reply with it. A failed check
 * fails the test, and says where.
 */
#include <jansson.h>

/*
 * A success of `action`: all members of its `response` tree that are not marked '?' are there, every
 * declared member has a value that the SDK's declared type accepts (spec 01, 8.1), and there is no
 * top-level Code that a client would take for an error. More members than declared are fine.
 */
void spec_check_answer(const char *product, const char *action, const json_t *answer);

/* An error: RequestId, HostId, Code, Message, with capital letters (spec 01, 8.2). */
void spec_check_error(const json_t *error);

/* The same spec file's own example must hold, too. */
void spec_check_example(const char *product, const char *action);
