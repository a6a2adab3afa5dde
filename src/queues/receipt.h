#pragma once
/*
 * Names of messages, and receipt handles. Only letters, digits and '-': npm's client writes handles
 * into a query without encoding them (spec 10, section 4).
 *
 *     MessageId      SALT-SEQ           both upper-case hex
 *     receipt        1-SALT-SEQ-N-MAC   N counts takings; MAC over queue, salt, seq and N
 */
#include <stdbool.h>
#include <stdint.h>

#include "queues/message.h"

struct kn_receipt {
    int64_t queue_id, salt, seq, claim_n;
};

void kn_message_id(char out[KN_MESSAGE_ID_SIZE], int64_t salt, int64_t seq);
void kn_receipt_write(char out[KN_RECEIPT_SIZE], const struct kn_receipt *receipt,
                      const uint8_t key[32]);
/* out->queue_id says which queue it must be of. False: not one of ours. */
bool kn_receipt_read(struct kn_receipt *out, const char *text, const uint8_t key[32]);
