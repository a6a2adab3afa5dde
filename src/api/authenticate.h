#pragma once
/*
 * Who calls, and whether it is really them: signature forms V1 and ACS3, the clock window, temporary
 * keys, nonces (spec 01, sections 2 to 7 and 12).
 */
#include "api/call.h"

// Either side of the server's clock (spec 01, section 6).
#define KN_CLOCK_WINDOW_US (15 * KN_MINUTE)

/*
 * Fill call->params from query and body, find the form, the format, the operation, and verify the
 * signature: steps 2 to 11 of spec 01, section 12. The body has been collected. Sets what it has
 * learnt also on failure, so that the error is worded as the client asked.
 */
kn_code kn_authenticate(struct kn_call *call, struct kn_error *err);

/*
 * Step 12: remember the nonce, so that the request cannot be sent again. For operations that change
 * something this waits for the disk; the others remember in memory.
 */
kn_code kn_authenticate_nonce(struct kn_call *call, struct kn_error *err);

/* Step 14: whether the key's role is enough. */
kn_code kn_authorize(const struct kn_call *call, struct kn_error *err);
