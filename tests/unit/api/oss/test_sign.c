/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests that ali-oss was recorded sending (spec 09, section 2), byte for byte, to a server whose
 * clock stands at the moment they were signed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access/access.h"
#include "api/oss/oss.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"
#include "base/time.h"

struct fixture {
    struct kn_db *db;
    struct kn_access *access;
    struct kn_store *store;
    struct kn_oss *oss;
    struct kn_http_server *server;
    int port;
    int64_t now_us;
};

static int64_t clock_us(void *context)
{
    return ((const struct fixture *)context)->now_us;
}

static void set_time(struct fixture *f, const char *iso)
{
    assert_true(kn_time_parse_iso(iso, &f->now_us));
}

static void key_make(struct fixture *f, const char *id, const char *secret)
{
    struct kn_error err = {0};
    struct kn_key key = {.role = KN_ROLE_ADMIN, .is_active = true, .expires_us = KN_NO_TIME};
    kn_copy(key.id, sizeof(key.id), id);
    kn_copy(key.secret, sizeof(key.secret), secret);
    if (kn_access_create(f->access, &key, &err) != KN_OK)
        fail_msg("%s", err.message);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct kn_error err = {0};
    static const char *const hosts[] = {"oss.media.example", NULL};
    char url[300];
    if (kn_db_open(&f->db, "sqlite:sign.db", &err) != KN_OK ||
        kn_access_open(&f->access, f->db, &err) != KN_OK ||
        kn_store_open(&f->store,
                      &(struct kn_store_config){.url = "file:buckets", .db = f->db,
                                                .region = "cn-hangzhou",
                                                .owner_id = "1000000000000001"},
                      &err) != KN_OK ||
        kn_oss_new(&f->oss,
                   &(struct kn_oss_config){.store = f->store, .access = f->access, .hosts = hosts,
                                           .region = "cn-hangzhou",
                                           .account_id = "1000000000000001", .now_us = clock_us,
                                           .now_context = f},
                   &err) != KN_OK ||
        kn_http_server_new(&f->server, &(struct kn_http_config){.n_loops = 1}, &err) != KN_OK ||
        kn_http_server_listen(f->server,
                              &(struct kn_http_listener){.address = "127.0.0.1:0",
                                                         .handler = kn_oss_handle,
                                                         .on_error = kn_oss_on_error,
                                                         .context = f->oss},
                              url, &err) != KN_OK ||
        kn_http_server_start(f->server, &err) != KN_OK ||
        kn_bucket_create(f->store, "mybucket", NULL, &err) != KN_OK)
        fail_msg("%s", err.message);
    f->port = atoi(strrchr(url, ':') + 1);
    key_make(f, "AKIDEXAMPLE", "SECRETEXAMPLE");
    key_make(f, "STS.AKID", "STSSECRET"); // its token is only signed here
    set_time(f, "2026-11-20T15:59:04Z");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kn_http_server_stop(f->server, KN_SECOND);
    kn_http_server_free(&f->server);
    kn_oss_free(&f->oss);
    kn_store_close(&f->store);
    kn_access_close(&f->access);
    kn_db_close(&f->db);
    free(f);
    return 0;
}

/* Send what stands in `head` (lines end in \n here) and `body`; the answer, whole. */
static void exchange(const struct fixture *f, struct kn_buf *answer, const char *head,
                     const char *body)
{
    kn_auto(kn_buf_clear) struct kn_buf request = {0};
    for (const char *p = head; *p; p++) {
        if (*p == '\n')
            kn_buf_putc(&request, '\r');
        kn_buf_putc(&request, *p);
    }
    kn_buf_printf(&request, "Connection: close\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    kn_auto(kn_close_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(kn_fs_write_all(fd, request.data, request.len, NULL), KN_OK);
    char bytes[4096];
    for (ssize_t got; (got = read(fd, bytes, sizeof(bytes))) > 0;)
        kn_buf_add(answer, bytes, (size_t)got);
}

static void expect_status(const struct fixture *f, int status, const char *head, const char *body)
{
    kn_auto(kn_buf_clear) struct kn_buf answer = {0};
    exchange(f, &answer, head, body);
    int got = answer.len > 12 ? atoi(answer.data + 9) : 0;
    if (got != status)
        fail_msg("expected %d for\n%s\nbut got\n%s", status, head, kn_buf_text(&answer));
}

#define HOST "Host: mybucket.oss.media.example:18080\n"
#define V4 "OSS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/cn-hangzhou/oss/aliyun_v4_request,"
#define V4_DATE "x-oss-date: 20261120T155904Z\nx-oss-content-sha256: UNSIGNED-PAYLOAD\n"
#define HELLO_HEADERS                                                                              \
    "x-oss-object-acl: private\nx-oss-meta-people: x\ncontent-type: text/plain\n"                  \
    "content-md5: XUFAKrxLKna5cZ2REBfFkg==\n"

static void v1_header(void **state)
{
    struct fixture *f = *state;
    expect_status(f, 200,
                  "PUT /dir/%E4%B8%AD%20a%2Bb.txt HTTP/1.1\n" HOST HELLO_HEADERS
                  "x-oss-date: Fri, 20 Nov 2026 15:59:04 GMT\n"
                  "authorization: OSS AKIDEXAMPLE:GZ0Al67jKZdWJyuJc0pQ5ctp+ZQ=\n",
                  "hello");
    expect_status(f, 200,
                  "POST /big.mp4?uploads= HTTP/1.1\n" HOST "content-type: video/mp4\n"
                  "x-oss-date: Fri, 20 Nov 2026 15:59:04 GMT\n"
                  "authorization: OSS AKIDEXAMPLE:A1xugAAIdSt7B7oySfKDUlB99uI=\n",
                  "");
    expect_status(f, 403,
                  "PUT /dir/other.txt HTTP/1.1\n" HOST HELLO_HEADERS
                  "x-oss-date: Fri, 20 Nov 2026 15:59:04 GMT\n"
                  "authorization: OSS AKIDEXAMPLE:GZ0Al67jKZdWJyuJc0pQ5ctp+ZQ=\n",
                  "hello");
}

static void v1_url(void **state)
{
    struct fixture *f = *state;
    set_time(f, "2026-11-20T16:59:00Z");
    expect_status(f, 200,
                  "GET /dir/%E4%B8%AD%20a%2Bb.txt?OSSAccessKeyId=AKIDEXAMPLE&Expires=1795193945"
                  "&Signature=Lbv1qK7MdYqgea9iKM0gOFhsV1s%3D&response-content-type=text%2Fplain"
                  " HTTP/1.1\n" HOST,
                  "");
    set_time(f, "2026-11-20T16:00:00Z");
    expect_status(f, 200,
                  "PUT /dir/a.txt?OSSAccessKeyId=AKIDEXAMPLE&Expires=1795193945"
                  "&Signature=SWsZeFlGJryZ6tbqihmBrYZ5N9k%3D HTTP/1.1\n" HOST
                  "Content-Type: text/plain\n",
                  "hello");
    expect_status(f, 404, // signed rightly: it is only not there
                  "GET /a.txt?OSSAccessKeyId=STS.AKID&Expires=1795192145"
                  "&Signature=FMr0Ug9KJy7duVFIJghSrDZYc30%3D&security-token=STSTOKEN%2B%2F%3D"
                  " HTTP/1.1\n" HOST,
                  "");
    set_time(f, "2030-01-01T00:00:00Z");
    expect_status(f, 403,
                  "GET /dir/%E4%B8%AD%20a%2Bb.txt?OSSAccessKeyId=AKIDEXAMPLE&Expires=1795193945"
                  "&Signature=Lbv1qK7MdYqgea9iKM0gOFhsV1s%3D&response-content-type=text%2Fplain"
                  " HTTP/1.1\n" HOST,
                  "");
    set_time(f, "2026-11-20T15:59:04Z");
}

static void v4_header(void **state)
{
    struct fixture *f = *state;
    expect_status(f, 200,
                  "PUT /dir/%E4%B8%AD%20a%2Bb.txt HTTP/1.1\n" HOST HELLO_HEADERS V4_DATE
                  "authorization: " V4 "Signature="
                  "d9c3281aed87e10cd79bcb2fda56bb134e9f37aa3f4b053b727b178b1fe3f45e\n",
                  "hello");
    expect_status(f, 200,
                  "GET /?list-type=2&prefix=dir%2F&max-keys=10&delimiter=%2F&start-after=a%20b"
                  " HTTP/1.1\n" HOST V4_DATE "authorization: " V4 "Signature="
                  "363931bfb2daca89dff419121ab0312c1d59c5d995be03767089bf77965c9146\n",
                  "");
    expect_status(f, 200,
                  "POST /big.mp4?uploads= HTTP/1.1\n" HOST "content-type: video/mp4\n" V4_DATE
                  "authorization: " V4 "Signature="
                  "680b6f0a04676bb444d2bcfcb578de878f0415eb07183ada2e02202143e3cced\n",
                  "");
    set_time(f, "2026-11-20T16:20:00Z");
    expect_status(f, 403, // too old
                  "POST /big.mp4?uploads= HTTP/1.1\n" HOST "content-type: video/mp4\n" V4_DATE
                  "authorization: " V4 "Signature="
                  "680b6f0a04676bb444d2bcfcb578de878f0415eb07183ada2e02202143e3cced\n",
                  "");
    set_time(f, "2026-11-20T15:59:04Z");
}

// ali-oss signs list({prefix: ''}) with "prefix=" and uploads with "uploads", and sends both with '='.
static void v4_values_that_are_empty(void **state)
{
    struct fixture *f = *state;
    expect_status(f, 200,
                  "GET /?prefix=&max-keys=2 HTTP/1.1\n" HOST V4_DATE "authorization: " V4
                  "Signature=fef1c45a297dd5301964c5f7b215956c2b7b2135820a910e835076a6ae210483\n",
                  "");
    expect_status(f, 200,
                  "GET /?uploads=&prefix= HTTP/1.1\n" HOST V4_DATE "authorization: " V4
                  "Signature=56ca43013dcd325bec23c5aaf7ef5e620e524ef75ad2650aab84986ea91b7ad3\n",
                  "");
}

static void v4_additional_headers_and_sts(void **state)
{
    struct fixture *f = *state;
    expect_status(f, 200,
                  "PUT /a.txt HTTP/1.1\n" HOST "abc: v\nzext: z1\nx-oss-security-token: STSTOKEN+/=\n"
                  "content-type: text/plain\ncontent-md5: XUFAKrxLKna5cZ2REBfFkg==\n" V4_DATE
                  "authorization: OSS4-HMAC-SHA256 Credential=STS.AKID/20261120/cn-hangzhou/oss/"
                  "aliyun_v4_request,AdditionalHeaders=abc;zext,Signature="
                  "f1fcb0ae8d08daff9f0032b11d88ed3dfbe6df0e84d618de2622d2d91e8c1fd9\n",
                  "hello");
    expect_status(f, 403, // the token was signed too
                  "PUT /a.txt HTTP/1.1\n" HOST "content-type: text/plain\n" V4_DATE
                  "authorization: OSS4-HMAC-SHA256 Credential=STS.AKID/20261120/cn-hangzhou/oss/"
                  "aliyun_v4_request,Signature="
                  "f1fcb0ae8d08daff9f0032b11d88ed3dfbe6df0e84d618de2622d2d91e8c1fd9\n",
                  "hello");
}

static void v4_url(void **state)
{
    struct fixture *f = *state;
    expect_status(f, 200,
                  "GET /dir/%E4%B8%AD%20a%2Bb.txt?response-content-type=text%2Fplain"
                  "&x-oss-credential=AKIDEXAMPLE%2F20261120%2Fcn-hangzhou%2Foss%2Faliyun_v4_request"
                  "&x-oss-date=20261120T155904Z&x-oss-expires=3600"
                  "&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-signature="
                  "3016260914173ee85a83506d47d52fee12a6fd99707d13b692f417254dff77a8"
                  " HTTP/1.1\n" HOST,
                  "");
    expect_status(f, 403,
                  "GET /dir/a.txt?response-content-type=text%2Fplain"
                  "&x-oss-credential=AKIDEXAMPLE%2F20261120%2Fcn-hangzhou%2Foss%2Faliyun_v4_request"
                  "&x-oss-date=20261120T155904Z&x-oss-expires=3600"
                  "&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-signature="
                  "3016260914173ee85a83506d47d52fee12a6fd99707d13b692f417254dff77a8"
                  " HTTP/1.1\n" HOST,
                  "");
}

#define POLICY                                                                                     \
    "eyJleHBpcmF0aW9uIjoiMjAzMC0wMS0wMVQwMDowMDowMC4wMDBaIiwiY29uZGl0aW9ucyI6W1siY29udGVudC1sZW5n" \
    "dGgtcmFuZ2UiLDAsMTA0ODU3NjAwMF1dfQ=="
#define FIELD(name, value)                                                                         \
    "--b\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FORM_FILE                                                                                  \
    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n"                 \
    "Content-Type: text/plain\r\n\r\nhello\r\n--b--\r\n"
#define FORM_HEAD                                                                                  \
    "POST / HTTP/1.1\n" HOST "Content-Type: multipart/form-data; boundary=b\n"

static void form_policy(void **state)
{
    struct fixture *f = *state;
    expect_status(f, 204, FORM_HEAD,
                  FIELD("key", "form.txt") FIELD("policy", POLICY)
                  FIELD("OSSAccessKeyId", "AKIDEXAMPLE")
                  FIELD("Signature", "kqRiiN2xL6THiwzeyeK/m5YOjm4=") FORM_FILE);
    expect_status(f, 204, FORM_HEAD,
                  FIELD("key", "form.txt") FIELD("policy", POLICY)
                  FIELD("x-oss-signature-version", "OSS4-HMAC-SHA256")
                  FIELD("x-oss-credential",
                        "AKIDEXAMPLE/20261120/cn-hangzhou/oss/aliyun_v4_request")
                  FIELD("x-oss-date", "20261120T155904Z")
                  FIELD("x-oss-signature",
                        "8aef5bad91aadbfa316d4aa51d04c77977a5fea3e1e3520805a6b69df521c0f0")
                  FORM_FILE);
    expect_status(f, 403, FORM_HEAD,
                  FIELD("key", "form.txt") FIELD("policy", POLICY)
                  FIELD("OSSAccessKeyId", "AKIDEXAMPLE")
                  FIELD("Signature", "AAAAiN2xL6THiwzeyeK/m5YOjm4=") FORM_FILE);
    expect_status(f, 400, FORM_HEAD,
                  FIELD("key", "form.txt") FIELD("policy", POLICY)
                  FIELD("OSSAccessKeyId", "AKIDEXAMPLE") FIELD("x-oss-object-acl", "everyone")
                  FIELD("Signature", "kqRiiN2xL6THiwzeyeK/m5YOjm4=") FORM_FILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_header),
        cmocka_unit_test(v1_url),
        cmocka_unit_test(v4_header),
        cmocka_unit_test(v4_values_that_are_empty),
        cmocka_unit_test(v4_additional_headers_and_sts),
        cmocka_unit_test(v4_url),
        cmocka_unit_test(form_policy),
    };
    return cmocka_run_group_tests_name("api/oss/sign", tests, set_up, tear_down);
}
