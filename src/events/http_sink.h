#pragma once
/*
 * Letters by HTTP POST, signed as the vendor signs them (spec 02, 10.3). Any 2xx acknowledges;
 * redirects are not followed: the receiver's address is the configured one.
 */
#include <stdint.h>

#include "events/delivery.h"
#include "http/client.h"

/* The sink for "http". `client` is borrowed, with the rules for outside URLs in force. */
struct kn_event_sink kn_event_http_sink(struct kn_http_client *client);

/* X-ICE-SIGNATURE: md5hex(url "|" timestamp "|" auth_key). `out` holds 33 bytes. */
void kn_event_signature(char out[33], const char *url, int64_t timestamp_s, const char *auth_key);
