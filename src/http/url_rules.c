/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The address rules, as tables of prefixes: IANA's special-purpose registries (RFC 6890 and later). */
#include "http/url_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"

static const struct {
    uint32_t net;
    int bits;
} refused_v4[] = {
    {0x00000000, 8},  // this network; 0.0.0.0 reaches this machine
    {0x0A000000, 8},  // private
    {0x64400000, 10}, // carrier-grade NAT
    {0x7F000000, 8},  // loopback
    {0xA9FE0000, 16}, // link-local, cloud metadata
    {0xAC100000, 12}, // private
    {0xC0000000, 24}, // protocol assignments
    {0xC0000200, 24}, // documentation
    {0xC0586300, 24}, // 6to4 relays
    {0xC0A80000, 16}, // private
    {0xC6120000, 15}, // benchmarks
    {0xC6336400, 24}, // documentation
    {0xCB007100, 24}, // documentation
    {0xE0000000, 4},  // multicast
    {0xF0000000, 4},  // reserved, broadcast
};

static bool v4_is_public(uint32_t address)
{
    for (size_t i = 0; i < KN_COUNT(refused_v4); i++)
        if ((address ^ refused_v4[i].net) >> (32 - refused_v4[i].bits) == 0)
            return false;
    return true;
}

static uint32_t v4_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool v6_is_public(const uint8_t a[16])
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
    if (memcmp(a, mapped, sizeof(mapped)) == 0 || memcmp(a, nat64, sizeof(nat64)) == 0)
        return v4_is_public(v4_at(a + 12));
    if (a[0] == 0x20 && a[1] == 0x02) // 6to4
        return v4_is_public(v4_at(a + 2));
    // Only 2000::/3 is global unicast; inside it Teredo and other protocol assignments (2001::/23)
    // and documentation (2001:db8::/32, 3fff::/20) are not.
    if ((a[0] & 0xE0) != 0x20)
        return false;
    if (a[0] == 0x20 && a[1] == 0x01 && (a[2] < 0x02 || (a[2] == 0x0D && a[3] == 0xB8)))
        return false;
    return !(a[0] == 0x3F && a[1] == 0xFF && a[2] < 0x10);
}

bool kn_url_address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return v4_is_public(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return v6_is_public(((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr);
    return false;
}

// Split "host:port", "[v6]:port", "host", "v6"; port -1 when there is none.
static void pattern_split(const char *pattern, char host[256], int64_t *out_port)
{
    *out_port = -1;
    (void)kn_copy(host, 256, pattern);
    char *colon = strrchr(host, ':');
    bool is_v6 = colon && strchr(host, ':') != colon && host[0] != '[';
    if (colon && !is_v6 && colon[1] != '\0' && kn_parse_int(colon + 1, 0, 65535, out_port))
        *colon = '\0';
    size_t n = strlen(host);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        memmove(host, host + 1, n - 2);
        host[n - 2] = '\0';
    }
}

bool kn_url_host_is_allowed(const char *const *allowed, const char *host, int port)
{
    char bare[256];
    int64_t ignored = 0;
    pattern_split(host[0] == '[' ? host : "", bare, &ignored);
    const char *name = host[0] == '[' ? bare : host;
    for (; allowed && *allowed; allowed++) {
        char pattern[256];
        int64_t pattern_port;
        pattern_split(*allowed, pattern, &pattern_port);
        if ((pattern_port < 0 || pattern_port == port) && kn_match(pattern, name))
            return true;
    }
    return false;
}
