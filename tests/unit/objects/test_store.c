/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store on SQLite, or on the database that KINORA_TEST_DATABASE names; with local files, or with
 * the bucket of an S3 server (KINORA_TEST_STORAGE s3://…, _ENDPOINT, _KEY_ID, _KEY_SECRET).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "objects/list.h"
#include "objects/multipart.h"

struct fixture {
    struct kn_db *db;
    struct kn_store *store;
    char last_event[64];
    int n_events;
    int64_t last_delta_bytes, last_position;
    bool is_remote;
};

static kn_code hook(struct kn_tx *tx, const struct kn_object_change *change, void *context,
                    struct kn_error *err)
{
    (void)tx, (void)err;
    struct fixture *f = context;
    (void)snprintf(f->last_event, sizeof(f->last_event), "%s", change->event);
    f->last_delta_bytes = change->size_delta_bytes;
    f->last_position = change->position;
    f->n_events++;
    return KN_OK;
}

// A shared PostgreSQL keeps what the test before left.
static kn_code empty_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    (void)context;
    static const char *const tables[] = {"object", "object_bytes", "object_garbage", "upload",
                                         "upload_part", "bucket"};
    kn_code rc = KN_OK;
    for (size_t i = 0; rc == KN_OK && i < KN_COUNT(tables); i++) {
        char sql[64];
        (void)snprintf(sql, sizeof(sql), "DELETE FROM %s", tables[i]);
        rc = kn_tx_run(tx, NULL, err, sql, "");
    }
    return rc;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct kn_error err = {0};
    const char *url = getenv("KINORA_TEST_DATABASE");
    char local[64];
    static int n = 0;
    (void)snprintf(local, sizeof(local), "sqlite:store-%d.db", n);
    const char *remote = getenv("KINORA_TEST_STORAGE");
    char files[64], prefix[200];
    (void)snprintf(prefix, sizeof(prefix), "%s/%d", remote ? remote : "", n);
    (void)snprintf(files, sizeof(files), "file:buckets-%d", n++);
    if (kn_db_open(&f->db, url ? url : local, &err) != KN_OK)
        fail_msg("%s", err.message);
    struct kn_store_config config = {
        .url = remote ? prefix : files, .db = f->db, .region = "cn-shanghai",
        .owner_id = "1000000000000001", .endpoint = getenv("KINORA_TEST_ENDPOINT"),
        .key_id = getenv("KINORA_TEST_KEY_ID"), .key_secret = getenv("KINORA_TEST_KEY_SECRET"),
        .scratch_folder = "scratch"};
    f->is_remote = remote != NULL;
    if (kn_db_write(f->db, empty_tx, NULL, &err) != KN_OK ||
        kn_store_open(&f->store, &config, &err) != KN_OK ||
        kn_bucket_create(f->store, "films", NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
    kn_store_set_hook(f->store, hook, f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kn_store_close(&f->store);
    kn_db_close(&f->db);
    free(f);
    return 0;
}

static kn_code put_n(struct fixture *f, const char *key, const char *bytes, size_t n,
                     const struct kn_put_options *options, struct kn_error *err)
{
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    kn_code rc = kn_object_create(f->store, "films", key, options, &writer, err);
    if (rc == KN_OK)
        rc = kn_object_write(writer, bytes, n, err);
    if (rc == KN_OK)
        rc = kn_object_commit(writer, NULL, err);
    return rc;
}

static void put(struct fixture *f, const char *key, const char *text)
{
    struct kn_error err = {0};
    if (put_n(f, key, text, strlen(text), NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
}

static void assert_holds(struct fixture *f, const char *key, const char *bytes, size_t n)
{
    struct kn_error err = {0};
    kn_auto(kn_object_reader_free) struct kn_object_reader *reader = NULL;
    struct kn_object_info info = {0};
    if (kn_object_open(f->store, "films", key, &reader, &info, &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(info.size_bytes, n);
    kn_auto(kn_free) char *got = malloc(n + 1);
    size_t at = 0;
    for (size_t more = 1; more > 0; at += more)
        assert_int_equal(
            kn_object_read_at(reader, (int64_t)at, got + at, n + 1 - at, &more, &err), KN_OK);
    assert_int_equal(at, n);
    assert_memory_equal(got, bytes, n);
    kn_object_info_clear(&info);
}

static void what_was_put_is_read_again(void **state)
{
    struct fixture *f = *state;
    put(f, "dir/中 a+b.txt", "hello");
    assert_holds(f, "dir/中 a+b.txt", "hello", 5);
    struct kn_object_info info = {0};
    assert_int_equal(kn_object_stat(f->store, "films", "dir/中 a+b.txt", &info, NULL), KN_OK);
    assert_string_equal(info.etag, "5D41402ABC4B2A76B9719D911017C592");
    assert_true(info.has_crc64);
    assert_true(info.crc64 == UINT64_C(11177612005948864433));
    assert_string_equal(info.type, "Normal");
    assert_string_equal(info.content_type, "application/octet-stream");
    kn_object_info_clear(&info);
    assert_string_equal(f->last_event, "ObjectCreated:PutObject");
}

static void empty_and_large_objects_are_whole(void **state)
{
    struct fixture *f = *state;
    put(f, "empty", "");
    assert_holds(f, "empty", "", 0);
    size_t n = 300 * 1000;
    kn_auto(kn_free) char *bytes = malloc(n);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    assert_int_equal(put_n(f, "large", bytes, n, NULL, NULL), KN_OK);
    assert_holds(f, "large", bytes, n);
}

static void reader_keeps_the_version_it_opened(void **state)
{
    struct fixture *f = *state;
    size_t n = 100 * 1000;
    kn_auto(kn_free) char *bytes = calloc(1, n);
    assert_int_equal(put_n(f, "a", bytes, n, NULL, NULL), KN_OK);
    kn_auto(kn_object_reader_free) struct kn_object_reader *reader = NULL;
    assert_int_equal(kn_object_open(f->store, "films", "a", &reader, NULL, NULL), KN_OK);
    put(f, "a", "new");
    size_t n_swept = 0;
    assert_int_equal(kn_store_sweep(f->store, 0, KN_HOUR, &n_swept, NULL), KN_OK);
    assert_int_equal(n_swept, 1);
    char byte = 1;
    size_t got = 0;
    if (f->is_remote) { // there the sweep's grace is what a reader relies on
        assert_int_equal(kn_object_read_at(reader, 5, &byte, 1, &got, NULL), KN_EIO);
        return;
    }
    assert_int_equal(kn_object_read_at(reader, (int64_t)n - 1, &byte, 1, &got, NULL), KN_OK);
    assert_int_equal(got, 1);
    assert_int_equal(byte, 0);
    assert_holds(f, "a", "new", 3);
}

static void wrong_md5_stores_nothing(void **state)
{
    struct fixture *f = *state;
    struct kn_error err = {0};
    struct kn_put_options options = {.content_md5 = "AAAAAAAAAAAAAAAAAAAAAA=="};
    assert_int_equal(put_n(f, "a", "hello", 5, &options, &err), KN_EINVAL);
    assert_string_equal(err.reason, "InvalidDigest");
    struct kn_object_info info = {0};
    assert_int_equal(kn_object_stat(f->store, "films", "a", &info, &err), KN_ENOTFOUND);
    assert_string_equal(err.reason, "NoSuchKey");
    assert_int_equal(kn_object_stat(f->store, "absent", "a", &info, &err), KN_ENOTFOUND);
    assert_string_equal(err.reason, "NoSuchBucket");
}

static void forbidden_overwrite_is_refused_at_commit_too(void **state)
{
    struct fixture *f = *state;
    struct kn_error err = {0};
    struct kn_put_options options = {.forbid_overwrite = true};
    kn_auto(kn_object_writer_free) struct kn_object_writer *late = NULL;
    assert_int_equal(kn_object_create(f->store, "films", "a", &options, &late, &err), KN_OK);
    put(f, "a", "first");
    assert_int_equal(kn_object_write(late, "late", 4, &err), KN_OK);
    assert_int_equal(kn_object_commit(late, NULL, &err), KN_ECONFLICT);
    assert_string_equal(err.reason, "FileAlreadyExists");
    assert_int_equal(put_n(f, "a", "x", 1, &options, &err), KN_ECONFLICT);
    assert_holds(f, "a", "first", 5);

    kn_auto(kn_bucket_clear) struct kn_bucket bucket = {0};
    assert_int_equal(kn_bucket_get(f->store, "films", &bucket, &err), KN_OK);
    bucket.forbid_overwrite = true;
    assert_int_equal(kn_bucket_update(f->store, &bucket, &err), KN_OK);
    assert_int_equal(put_n(f, "a", "x", 1, NULL, &err), KN_ECONFLICT);
    assert_int_equal(put_n(f, "b", "x", 1, NULL, &err), KN_OK);
}

static void listing_goes_in_byte_order_over_pages(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"a", "b/1", "b/2", "b-", "c/x/1", "d", "中", "Z"};
    for (size_t i = 0; i < KN_COUNT(keys); i++)
        put(f, keys[i], "x");
    static const char *const expected[] = {"Z", "a", "b-", "b/", "c/", "d", "中"};
    char after[64] = "";
    for (size_t i = 0; i < KN_COUNT(expected); i++) {
        struct kn_list_query query = {.delimiter = "/", .after = after, .max = 1};
        kn_auto(kn_listing_clear) struct kn_listing page = {0};
        assert_int_equal(kn_object_list(f->store, "films", &query, &page, NULL), KN_OK);
        assert_int_equal(page.n, 1);
        assert_string_equal(page.items[0].key, expected[i]);
        assert_int_equal(page.items[0].is_prefix, strchr(expected[i], '/') != NULL);
        assert_int_equal(page.is_truncated, i + 1 < KN_COUNT(expected));
        (void)snprintf(after, sizeof(after), "%s", page.items[0].key);
    }
    struct kn_list_query query = {.prefix = "b", .max = 100};
    kn_auto(kn_listing_clear) struct kn_listing page = {0};
    assert_int_equal(kn_object_list(f->store, "films", &query, &page, NULL), KN_OK);
    assert_int_equal(page.n, 3);
    assert_false(page.is_truncated);
}

static void copies_share_bytes_and_outlive_the_source(void **state)
{
    struct fixture *f = *state;
    size_t n = 50 * 1000;
    kn_auto(kn_free) char *bytes = calloc(1, n);
    assert_int_equal(put_n(f, "large", bytes, n, NULL, NULL), KN_OK);
    put(f, "small", "hello");
    static const char *const names[] = {"large", "small"};
    for (size_t i = 0; i < 2; i++) {
        char to[32];
        (void)snprintf(to, sizeof(to), "%s-copy", names[i]);
        struct kn_copy copy = {.from_bucket = "films", .from_key = names[i],
                               .to_bucket = "films", .to_key = to};
        assert_int_equal(kn_object_copy(f->store, &copy, NULL, NULL), KN_OK);
        bool existed = false;
        assert_int_equal(kn_object_delete(f->store, "films", names[i], &existed, NULL), KN_OK);
        assert_true(existed);
    }
    size_t n_swept = 9;
    assert_int_equal(kn_store_sweep(f->store, 0, KN_HOUR, &n_swept, NULL), KN_OK);
    assert_int_equal(n_swept, 0);
    assert_holds(f, "large-copy", bytes, n);
    assert_holds(f, "small-copy", "hello", 5);
    assert_int_equal(kn_object_delete(f->store, "films", "large-copy", NULL, NULL), KN_OK);
    assert_int_equal(kn_store_sweep(f->store, 0, KN_HOUR, &n_swept, NULL), KN_OK);
    assert_int_equal(n_swept, 1);
}

static kn_code append(struct fixture *f, const char *key, const char *text, int64_t position,
                      int64_t *out_length, struct kn_object_info *info, struct kn_error *err)
{
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    struct kn_put_options options = {.is_append = true};
    kn_code rc = kn_object_create(f->store, "films", key, &options, &writer, err);
    if (rc == KN_OK)
        rc = kn_object_write(writer, text, strlen(text), err);
    return rc == KN_OK ? kn_object_append(writer, position, out_length, info, err) : rc;
}

static void appends_follow_each_other(void **state)
{
    struct fixture *f = *state;
    struct kn_error err = {0};
    struct kn_object_info info = {0};
    int64_t length = 0;
    assert_int_equal(append(f, "log", "123", 0, &length, &info, &err), KN_OK);
    assert_int_equal(append(f, "log", "456789", 3, &length, &info, &err), KN_OK);
    assert_string_equal(f->last_event, "ObjectCreated:AppendObject");
    assert_int_equal(f->last_delta_bytes, 6);
    assert_int_equal(f->last_position, 3);
    assert_int_equal(length, 9);
    assert_true(info.crc64 == UINT64_C(0x995DC9BBDF1939FA));
    assert_int_equal(append(f, "log", "x", 3, &length, &info, &err), KN_ECONFLICT);
    assert_string_equal(err.reason, "PositionNotEqualToLength");
    assert_int_equal(length, 9);
    assert_holds(f, "log", "123456789", 9);
    put(f, "plain", "x");
    assert_int_equal(append(f, "plain", "x", 1, &length, &info, &err), KN_ECONFLICT);
    assert_string_equal(err.reason, "ObjectNotAppendable");
}

static struct kn_part part(struct fixture *f, const char *id, int number, const char *text)
{
    struct kn_error err = {0};
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    struct kn_part out = {0};
    if (kn_upload_part_create(f->store, "films", "big", id, number, NULL, &writer, &err) != KN_OK ||
        kn_object_write(writer, text, strlen(text), &err) != KN_OK ||
        kn_upload_part_commit(writer, &out, &err) != KN_OK)
        fail_msg("%s", err.message);
    return out;
}

static void parts_become_one_object(void **state)
{
    struct fixture *f = *state;
    struct kn_error err = {0};
    char id[KN_ID_SIZE];
    struct kn_put_options options = {.content_type = "video/mp4"};
    assert_int_equal(kn_upload_create(f->store, "films", "big", &options, id, &err), KN_OK);
    struct kn_part parts[2];
    parts[1] = part(f, id, 7, "56789");
    (void)part(f, id, 2, "replaced");
    parts[0] = part(f, id, 2, "1234");

    assert_int_equal(kn_bucket_delete(f->store, "films", &err), KN_ECONFLICT);
    struct kn_object_info info = {0};
    assert_int_equal(kn_upload_complete(f->store, "films", "big", id, parts, 2, 100, &info, &err),
                     KN_EINVAL);
    assert_string_equal(err.reason, "EntityTooSmall");
    struct kn_part turned[2] = {parts[1], parts[0]};
    assert_int_equal(kn_upload_complete(f->store, "films", "big", id, turned, 2, 0, &info, &err),
                     KN_EINVAL);
    assert_string_equal(err.reason, "InvalidPartOrder");
    assert_int_equal(kn_upload_complete(f->store, "films", "big", id, parts, 2, 0, &info, &err),
                     KN_OK);
    assert_true(info.crc64 == UINT64_C(0x995DC9BBDF1939FA));
    assert_string_equal(info.etag + 32, "-2");
    assert_string_equal(info.type, "Multipart");
    assert_string_equal(info.content_type, "video/mp4");
    assert_holds(f, "big", "123456789", 9);
    assert_int_equal(kn_upload_complete(f->store, "films", "big", id, parts, 2, 0, &info, &err),
                     KN_ENOTFOUND);
    assert_string_equal(err.reason, "NoSuchUpload");
    size_t n_swept = 0;
    assert_int_equal(kn_store_sweep(f->store, 0, KN_HOUR, &n_swept, NULL), KN_OK);
    assert_int_equal(n_swept, 3);
    assert_holds(f, "big", "123456789", 9);
}

static void abandoned_uploads_are_listed_and_expire(void **state)
{
    struct fixture *f = *state;
    char ids[3][KN_ID_SIZE];
    struct kn_put_options options = {0};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(kn_upload_create(f->store, "films", i < 2 ? "a" : "b", &options, ids[i],
                                          NULL),
                         KN_OK);
    struct kn_upload *uploads = NULL;
    size_t n = 0;
    bool is_truncated = false;
    assert_int_equal(kn_upload_list(f->store, "films", "", "", "", 2, &uploads, &n, &is_truncated,
                                    NULL),
                     KN_OK);
    assert_int_equal(n, 2);
    assert_true(is_truncated);
    assert_string_equal(uploads[1].key, "a");
    char last[KN_ID_SIZE];
    memcpy(last, uploads[1].id, sizeof(last));
    kn_upload_list_free(&uploads, n);
    assert_int_equal(kn_upload_list(f->store, "films", "", "a", last, 2, &uploads, &n,
                                    &is_truncated, NULL),
                     KN_OK);
    assert_int_equal(n, 1);
    assert_string_equal(uploads[0].key, "b");
    kn_upload_list_free(&uploads, n);
    assert_int_equal(kn_upload_expire(f->store, kn_now_us() + KN_SECOND, &n, NULL), KN_OK);
    assert_int_equal(n, 3);
}

struct publish_call {
    struct kn_store *store;
    struct kn_staged *staged;
};

static kn_code publish_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct publish_call *call = context;
    return kn_staged_publish(call->store, tx, &call->staged, 1, err);
}

static void outputs_appear_when_published(void **state)
{
    struct fixture *f = *state;
    struct publish_call call = {.store = f->store};
    int fd = -1;
    assert_int_equal(kn_staged_create(f->store, "films", "out.mp4", "job", &call.staged, &fd, NULL),
                     KN_OK);
    assert_int_equal(write(fd, "hello", 5), 5);
    kn_close_fd(&fd);
    assert_int_equal(kn_staged_seal(call.staged, "video/mp4", NULL), KN_OK);
    assert_int_equal(kn_staged_prepare(f->store, &call.staged, 1, NULL), KN_OK);
    struct kn_object_info info = {0};
    assert_int_equal(kn_object_stat(f->store, "films", "out.mp4", &info, NULL), KN_ENOTFOUND);
    assert_int_equal(kn_db_write(f->db, publish_tx, &call, NULL), KN_OK);
    kn_staged_free(&call.staged);
    assert_holds(f, "out.mp4", "hello", 5);
}

static char *film_make(size_t n)
{
    char *bytes = malloc(n);
    for (size_t i = 0; bytes && i < n; i++)
        bytes[i] = (char)(i * 7 + i / 251 + (i >> 20));
    return bytes;
}

// More than one part of an S3 store's upload; parts of an upload here that it can and cannot copy.
static void films_are_larger_than_one_part(void **state)
{
    struct fixture *f = *state;
    struct kn_error err = {0};
    size_t n = 19 * 1024 * 1024 + 5;
    kn_auto(kn_free) char *bytes = film_make(n);
    assert_int_equal(put_n(f, "film", bytes, n, NULL, NULL), KN_OK);
    assert_holds(f, "film", bytes, n);

    char id[KN_ID_SIZE];
    struct kn_put_options options = {0};
    assert_int_equal(kn_upload_create(f->store, "films", "big", &options, id, &err), KN_OK);
    static const size_t sizes[] = {100 * 1024, 6 * 1024 * 1024, 7 * 1024 * 1024, 1024};
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
        struct kn_part part = {0};
        if (kn_upload_part_create(f->store, "films", "big", id, i + 1, NULL, &writer, &err) != KN_OK ||
            kn_object_write(writer, bytes + at, sizes[i], &err) != KN_OK ||
            kn_upload_part_commit(writer, &part, &err) != KN_OK)
            fail_msg("%s", err.message);
        at += sizes[i];
    }
    if (kn_upload_complete(f->store, "films", "big", id, NULL, 0, 0, NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_holds(f, "big", bytes, at);
}

static void what_was_never_committed_is_swept(void **state)
{
    struct fixture *f = *state;
    struct kn_error err = {0};
    put(f, "small", "kept in the database");
    size_t n = 100 * 1000;
    kn_auto(kn_free) char *bytes = film_make(n);
    assert_int_equal(put_n(f, "kept", bytes, n, NULL, NULL), KN_OK);
    struct kn_staged *staged = NULL;
    int fd = -1;
    if (kn_staged_create(f->store, "films", "out.mp4", "job", &staged, &fd, &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(write(fd, bytes, n), n);
    kn_close_fd(&fd);
    assert_int_equal(kn_staged_seal(staged, NULL, &err), KN_OK);
    size_t n_swept = 9;
    if (kn_store_sweep(f->store, 0, KN_HOUR, &n_swept, &err) != KN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(n_swept, 0); // too young
    assert_int_equal(kn_store_sweep(f->store, 0, KN_NO_TIME, &n_swept, &err), KN_OK);
    assert_int_equal(n_swept, 0); // not looked for
    assert_int_equal(kn_store_sweep(f->store, 0, -KN_HOUR, &n_swept, &err), KN_OK);
    assert_int_equal(n_swept, 1);
    assert_holds(f, "kept", bytes, n);
    kn_staged_free(&staged);
}

int main(void)
{
#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORE_TEST(what_was_put_is_read_again),
        STORE_TEST(empty_and_large_objects_are_whole),
        STORE_TEST(reader_keeps_the_version_it_opened),
        STORE_TEST(wrong_md5_stores_nothing),
        STORE_TEST(forbidden_overwrite_is_refused_at_commit_too),
        STORE_TEST(listing_goes_in_byte_order_over_pages),
        STORE_TEST(copies_share_bytes_and_outlive_the_source),
        STORE_TEST(appends_follow_each_other),
        STORE_TEST(parts_become_one_object),
        STORE_TEST(abandoned_uploads_are_listed_and_expire),
        STORE_TEST(outputs_appear_when_published),
        STORE_TEST(films_are_larger_than_one_part),
        STORE_TEST(what_was_never_committed_is_swept),
    };
    return cmocka_run_group_tests_name("objects/store", tests, NULL, NULL);
}
