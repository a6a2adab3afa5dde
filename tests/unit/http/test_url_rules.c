/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/cleanup.h"
#include "http/url_rules.h"

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return kn_url_address_is_public((struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return kn_url_address_is_public((struct sockaddr *)&v6);
}

static void public_addresses_are_public(void **state)
{
    (void)state;
    static const char *const all[] = {"8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1",
                                      "223.255.255.255", "2606:4700::1111", "::ffff:8.8.8.8"};
    for (size_t i = 0; i < KN_COUNT(all); i++)
        if (!is_public(all[i]))
            fail_msg("%s is public", all[i]);
}

static void inner_addresses_are_refused_in_every_spelling(void **state)
{
    (void)state;
    static const char *const all[] = {
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.168.1.1", "198.18.0.1", "224.0.0.1",
        "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:7f00:1::", "fe80::1", "fc00::1", "fd12::1", "ff02::1",
        "2001::1", "2001:db8::1", "::7f00:1"};
    for (size_t i = 0; i < KN_COUNT(all); i++)
        if (is_public(all[i]))
            fail_msg("%s is not public", all[i]);
}

static void patterns_allow_hosts_with_and_without_port(void **state)
{
    (void)state;
    static const char *const allowed[] = {"*.lan", "10.0.0.7:8080", "[::1]:80", "fd00::5", NULL};
    assert_true(kn_url_host_is_allowed(allowed, "nas.LAN", 443));
    assert_true(kn_url_host_is_allowed(allowed, "10.0.0.7", 8080));
    assert_false(kn_url_host_is_allowed(allowed, "10.0.0.7", 80));
    assert_true(kn_url_host_is_allowed(allowed, "[::1]", 80));
    assert_false(kn_url_host_is_allowed(allowed, "[::1]", 81));
    assert_true(kn_url_host_is_allowed(allowed, "[fd00::5]", 1234));
    assert_false(kn_url_host_is_allowed(allowed, "lan", 80));
    assert_false(kn_url_host_is_allowed(NULL, "nas.lan", 80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_addresses_are_public),
        cmocka_unit_test(inner_addresses_are_refused_in_every_spelling),
        cmocka_unit_test(patterns_allow_hosts_with_and_without_port),
    };
    return cmocka_run_group_tests_name("http/url_rules", tests, NULL, NULL);
}
