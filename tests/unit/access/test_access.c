/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys, temporary keys and nonces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/access.h"
#include "access/nonce_set.h"
#include "base/cleanup.h"
#include "base/time.h"
#include "support/test_database.h"

static struct kn_db *db;
static struct kn_access *access_keys;

static int set_up(void **state)
{
    (void)state;
    struct kn_error err = {0};
    if (kn_db_open(&db, test_database_url(), &err) != KN_OK ||
        kn_access_open(&access_keys, db, &err) != KN_OK)
        fail_msg("%s", err.message);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kn_access_close(&access_keys);
    kn_db_close(&db);
    return 0;
}

static void key_is_made_found_listed_and_revoked(void **state)
{
    (void)state;
    struct kn_key key = {.name = "first", .role = KN_ROLE_OPERATE};
    struct kn_key found;
    assert_int_equal(kn_access_create(access_keys, &key, NULL), KN_OK);
    assert_int_equal(strlen(key.id), 24);
    assert_int_equal(strlen(key.secret), 40);
    assert_int_equal(kn_access_find(access_keys, key.id, &found, NULL), KN_OK);
    assert_string_equal(found.secret, key.secret);
    assert_int_equal(found.role, KN_ROLE_OPERATE);
    assert_true(found.is_active);
    assert_true(found.expires_us == KN_NO_TIME);
    assert_int_equal(kn_access_create(access_keys, &key, NULL), KN_ECONFLICT);

    kn_auto(kn_free) struct kn_key *all = NULL;
    size_t n = 0;
    assert_int_equal(kn_access_list(access_keys, &all, &n, NULL), KN_OK);
    assert_true(n >= 1);
    assert_int_equal(kn_access_revoke(access_keys, key.id, NULL), KN_OK);
    assert_int_equal(kn_access_find(access_keys, key.id, &found, NULL), KN_OK);
    assert_false(found.is_active);
    assert_int_equal(kn_access_revoke(access_keys, "none", NULL), KN_ENOTFOUND);
    assert_int_equal(kn_access_find(access_keys, "none", &found, NULL), KN_ENOTFOUND);
}

static void key_made_elsewhere_is_seen(void **state)
{
    (void)state;
    struct kn_access *other = NULL;
    struct kn_key key = {.name = "elsewhere"};
    struct kn_key found;
    assert_int_equal(kn_access_open(&other, db, NULL), KN_OK);
    assert_int_equal(kn_access_create(other, &key, NULL), KN_OK);
    int64_t deadline = kn_mono_us() + 10 * KN_SECOND;
    while (kn_access_find(access_keys, key.id, &found, NULL) != KN_OK && kn_mono_us() < deadline)
        kn_sleep_us(2000);
    kn_access_close(&other);
    assert_int_equal(kn_access_find(access_keys, key.id, &found, NULL), KN_OK);
}

static void temporary_key_has_a_token_and_dies_with_its_parent(void **state)
{
    (void)state;
    struct kn_key parent = {.role = KN_ROLE_OPERATE, .bucket_prefix = "media/in"};
    struct kn_key child;
    struct kn_key found;
    struct kn_error err = {0};
    assert_int_equal(kn_access_create(access_keys, &parent, NULL), KN_OK);
    assert_int_equal(
        kn_access_assume(access_keys, &parent, "media/in/today", KN_HOUR, &child, &err), KN_OK);
    assert_true(child.is_temporary);
    assert_int_equal(strncmp(child.id, "STS.", 4), 0);
    assert_int_equal(strlen(child.token), 96);
    assert_true(child.expires_us > kn_now_us());
    assert_int_equal(kn_access_assume(access_keys, &parent, "other", KN_HOUR, &found, &err),
                     KN_EINVAL);
    assert_int_equal(kn_access_assume(access_keys, &parent, "media/out", KN_HOUR, &found, &err),
                     KN_EINVAL);
    assert_int_equal(kn_access_revoke(access_keys, parent.id, NULL), KN_OK);
    assert_int_equal(kn_access_find(access_keys, child.id, &found, NULL), KN_OK);
    assert_false(found.is_active);
}

static void prefix_covers_what_begins_with_it(void **state)
{
    (void)state;
    struct kn_key key = {0};
    assert_true(kn_key_covers(&key, "any", "thing"));
    (void)snprintf(key.bucket_prefix, sizeof(key.bucket_prefix), "media");
    assert_true(kn_key_covers(&key, "media", NULL));
    assert_true(kn_key_covers(&key, "media", "a/b"));
    assert_false(kn_key_covers(&key, "media2", "a"));
    assert_false(kn_key_covers(&key, "med", "a"));
    (void)snprintf(key.bucket_prefix, sizeof(key.bucket_prefix), "media/in/");
    assert_true(kn_key_covers(&key, "media", "in/a"));
    assert_false(kn_key_covers(&key, "media", "out/a"));
    assert_false(kn_key_covers(&key, "media", NULL));
}

static kn_code nonce_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    return kn_access_nonce_tx(access_keys, tx, "key", context, err);
}

static void nonce_is_good_once(void **state)
{
    (void)state;
    struct kn_error err = {0};
    assert_int_equal(kn_access_nonce(access_keys, "key", "n1", NULL), KN_OK);
    assert_int_equal(kn_access_nonce(access_keys, "other", "n1", NULL), KN_OK);
    assert_int_equal(kn_access_nonce(access_keys, "key", "n1", &err), KN_ECONFLICT);
    assert_string_equal(err.reason, "SignatureNonceUsed");

    char nonce[32];
    (void)snprintf(nonce, sizeof(nonce), "n%lld", (long long)kn_now_us());
    assert_int_equal(kn_db_write_guarded(db, nonce_in_tx, nonce, NULL), KN_OK);
    assert_int_equal(kn_db_write_guarded(db, nonce_in_tx, nonce, &err), KN_ECONFLICT);
}

static void nonces_in_memory_are_forgotten_after_half_an_hour(void **state)
{
    (void)state;
    kn_auto(kn_nonce_set_free) struct kn_nonce_set *set = kn_nonce_set_new();
    char nonce[16];
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(nonce, sizeof(nonce), "%d", i);
        assert_int_equal(kn_nonce_set_use(set, "key", nonce, 0, NULL), KN_OK);
    }
    assert_int_equal(kn_nonce_set_use(set, "key", "1999", 30 * KN_MINUTE, NULL), KN_ECONFLICT);
    assert_int_equal(kn_nonce_set_use(set, "key", "0", 30 * KN_MINUTE, NULL), KN_ECONFLICT);
    assert_int_equal(kn_nonce_set_use(set, "key", "0", 41 * KN_MINUTE, NULL), KN_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(key_is_made_found_listed_and_revoked),
        TEST(key_made_elsewhere_is_seen),
        TEST(temporary_key_has_a_token_and_dies_with_its_parent),
        TEST(prefix_covers_what_begins_with_it),
        TEST(nonce_is_good_once),
        TEST(nonces_in_memory_are_forgotten_after_half_an_hour),
    };
    return cmocka_run_group_tests_name("access/access", tests, NULL, NULL);
}
