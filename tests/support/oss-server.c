/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The object store alone, for tests of its clients: oss-server DIR [BUCKET]. Key AKIDEXAMPLE, secret
 * SECRETEXAMPLE; BUCKET is made. KINORA_TEST_STORAGE and the like put the bytes into S3. Prints its URL on
 * one line, a temporary key (id, secret, token) on the next, and serves until its standard input ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/access.h"
#include "api/oss/oss.h"
#include "base/fs.h"
#include "base/strings.h"
#include "base/time.h"

static void check(kn_code rc, const struct kn_error *err)
{
    if (rc == KN_OK)
        return;
    (void)fprintf(stderr, "oss-server: %s\n", err->message);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        (void)fprintf(stderr, "usage: oss-server DIR [BUCKET]\n");
        return 2;
    }
    struct kn_error err = {0};
    char database[1024], storage[1024], url[300];
    (void)snprintf(database, sizeof(database), "sqlite:%s/kinora.db", argv[1]);
    (void)snprintf(storage, sizeof(storage), "file:%s/buckets", argv[1]);
    check(kn_fs_make_folders(argv[1], 0700, &err), &err);

    struct kn_db *db = NULL;
    check(kn_db_open(&db, database, &err), &err);
    struct kn_access *access = NULL;
    check(kn_access_open(&access, db, &err), &err);
    struct kn_key temporary, key = {.role = KN_ROLE_ADMIN, .is_active = true,
                                    .expires_us = KN_NO_TIME};
    kn_copy(key.id, sizeof(key.id), "AKIDEXAMPLE");
    kn_copy(key.secret, sizeof(key.secret), "SECRETEXAMPLE");
    kn_code rc = kn_access_create(access, &key, &err);
    if (rc != KN_ECONFLICT) // the folder was used before
        check(rc, &err);
    check(kn_access_assume(access, &key, "", KN_HOUR, &temporary, &err), &err);
    struct kn_store *store = NULL;
    struct kn_store_config store_config = {
        .url = storage, .db = db, .region = "cn-hangzhou", .owner_id = "1000000000000001"};
    const char *remote = getenv("KINORA_TEST_STORAGE");
    if (remote) {
        store_config.url = remote;
        store_config.endpoint = getenv("KINORA_TEST_ENDPOINT");
        store_config.key_id = getenv("KINORA_TEST_KEY_ID");
        store_config.key_secret = getenv("KINORA_TEST_KEY_SECRET");
        store_config.scratch_folder = argv[1];
    }
    check(kn_store_open(&store, &store_config, &err), &err);
    if (argc == 3)
        check(kn_bucket_create(store, argv[2], NULL, &err), &err);

    static const char *const callback_hosts[] = {"127.0.0.1", NULL};
    struct kn_http_client *client = NULL;
    check(kn_http_client_new(&client, &(struct kn_http_client_config){.allowed_hosts = callback_hosts},
                             &err),
          &err);
    static const char *const hosts[] = {"oss.localhost", NULL};
    struct kn_oss_config config = {.store = store, .access = access, .client = client, .hosts = hosts,
                                   .region = "cn-hangzhou", .account_id = "1000000000000001"};
    struct kn_oss *oss = NULL;
    check(kn_oss_new(&oss, &config, &err), &err);
    struct kn_http_config http_config = {0};
    struct kn_http_server *server = NULL;
    check(kn_http_server_new(&server, &http_config, &err), &err);
    struct kn_http_listener listener = {.address = "127.0.0.1:0", .handler = kn_oss_handle,
                                        .on_error = kn_oss_on_error, .context = oss};
    check(kn_http_server_listen(server, &listener, url, &err), &err);
    check(kn_http_server_start(server, &err), &err);
    (void)printf("%s\n%s %s %s\n", url, temporary.id, temporary.secret, temporary.token);
    (void)fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        continue;
    kn_http_server_stop(server, KN_SECOND);
    kn_http_server_free(&server);
    kn_oss_free(&oss);
    kn_http_client_free(&client);
    kn_store_close(&store);
    kn_access_close(&access);
    kn_db_close(&db);
    return 0;
}
