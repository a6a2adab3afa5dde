/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hosts against patterns, and raw addresses: the first line is a host, the second patterns with
 * commas; the same bytes are read as an IPv4 and an IPv6 address. */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "http/url_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void addresses_judge(const uint8_t *bytes, size_t n)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    if (n >= 4) {
        memcpy(&four.sin_addr, bytes, 4);
        bool is_public = kn_url_address_is_public((const struct sockaddr *)&four);
        // An IPv4 address inside an IPv6 one is the same place.
        six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xff;
        memcpy(six.sin6_addr.s6_addr + 12, bytes, 4);
        assert(kn_url_address_is_public((const struct sockaddr *)&six) == is_public);
        assert(bytes[0] != 127 || !is_public);
        assert(bytes[0] != 10 || !is_public);
    }
    if (n >= 16) {
        memcpy(&six.sin6_addr, bytes, 16);
        bool is_public = kn_url_address_is_public((const struct sockaddr *)&six);
        assert((bytes[0] & 0xfe) != 0xfc || !is_public); // unique local
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    addresses_judge(bytes, n);
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    char *host = kn_arena_strndup(&arena, n ? (const char *)bytes : "", n);
    char *rest = strchr(host, '\n');
    if (!rest)
        return 0;
    *rest++ = '\0';
    const char *patterns[9] = {0};
    for (size_t i = 0; i < 8 && rest; i++)
        patterns[i] = strsep(&rest, ",");
    (void)kn_url_host_is_allowed(patterns, host, 80);
    (void)kn_url_host_is_allowed(patterns, host, 8443);
    assert(!kn_url_host_is_allowed(NULL, host, 80));
    return 0;
}
