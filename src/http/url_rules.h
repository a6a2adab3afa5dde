#pragma once
/*
 * Which addresses an outside URL may reach (design, section 7): public ones, and what the operator
 * allowed by name. Pure: no lookup of names, no socket.
 */
#include <stdbool.h>

#include <sys/socket.h>

/*
 * Whether `address` is public: not this machine, private, link-local, carrier-grade NAT, multicast,
 * documentation or otherwise reserved; IPv4 inside IPv6 (mapped, 6to4, NAT64) is judged as IPv4.
 */
bool kn_url_address_is_public(const struct sockaddr *address);

/*
 * Whether a pattern of `allowed` (NULL-terminated, may be NULL) fits the host: "*.lan" any port,
 * "10.0.0.7:8080" that port alone, "[::1]:80". ASCII case is ignored.
 */
bool kn_url_host_is_allowed(const char *const *allowed, const char *host, int port);
