/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "server/config.h"

static kn_code load(struct kn_config *config, struct kn_error *err, int argc,
                    const char *const *argv)
{
    bool help;
    return kn_config_load(config, argc, argv, &help, err);
}
#define LOAD(config, err, ...)                                                                     \
    load(config, err, (int)KN_COUNT(((const char *const[]){"serve", ##__VA_ARGS__})),              \
         (const char *const[]){"serve", ##__VA_ARGS__})

static int forget_environment(void **state)
{
    (void)state;
    unsetenv("KINORA_LISTEN");
    unsetenv("KINORA_WORKERS");
    (void)remove("kinora.yaml");
    return 0;
}

static void write_yaml(const char *text)
{
    assert_int_equal(kn_fs_write("kinora.yaml", text, strlen(text), 0644, NULL), KN_OK);
}

static void defaults_follow_the_data_folder(void **state)
{
    (void)state;
    kn_auto(kn_config_clear) struct kn_config c = {0};
    assert_int_equal(LOAD(&c, NULL, "--data", "/srv/k"), KN_OK);
    assert_string_equal(c.database, "sqlite:/srv/k/kinora.db");
    assert_string_equal(c.storage, "file:/srv/k/buckets");
    assert_string_equal(c.listen[0], "127.0.0.1:8800");
    assert_null(c.listen[1]);
    assert_true(c.n_workers >= 1);
    assert_int_equal(c.job_stall_seconds, 600);
    assert_int_equal(c.drain_seconds, 30);
}

static void a_flag_beats_the_environment_beats_the_file(void **state)
{
    (void)state;
    write_yaml("workers: 3\nlisten:\n  - 127.0.0.1:1\n  - 127.0.0.1:2\nregion: eu-1\n");
    setenv("KINORA_WORKERS", "5", 1);
    kn_auto(kn_config_clear) struct kn_config c = {0};
    assert_int_equal(LOAD(&c, NULL, "--workers=7"), KN_OK);
    assert_int_equal(c.n_workers, 7);
    assert_string_equal(c.listen[1], "127.0.0.1:2");
    assert_string_equal(c.region, "eu-1");

    kn_auto(kn_config_clear) struct kn_config d = {0};
    assert_int_equal(LOAD(&d, NULL), KN_OK);
    assert_int_equal(d.n_workers, 5);
}

static void a_repeated_flag_replaces_the_weaker_list(void **state)
{
    (void)state;
    setenv("KINORA_LISTEN", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", 1);
    kn_auto(kn_config_clear) struct kn_config c = {0};
    assert_int_equal(LOAD(&c, NULL, "--listen", "a:1", "--listen", "https://b:2"), KN_OK);
    assert_string_equal(c.listen[0], "a:1");
    assert_string_equal(c.listen[1], "https://b:2");
    assert_null(c.listen[2]);
}

static void complaints_name_the_setting_and_its_place(void **state)
{
    (void)state;
    struct kn_error err = {0};
    kn_auto(kn_config_clear) struct kn_config c = {0};
    assert_int_equal(LOAD(&c, &err, "--workers", "many"), KN_EINVAL);
    assert_string_equal(err.message,
                        "--workers is 'many', but must be a whole number from 0 to 1024");
    assert_int_equal(LOAD(&c, &err, "--wrokers", "1"), KN_EINVAL);
    assert_string_equal(err.message, "there is no option '--wrokers'");
    assert_int_equal(LOAD(&c, &err, "--listen"), KN_EINVAL);
    assert_string_equal(err.message, "'--listen' needs a value");
    assert_int_equal(LOAD(&c, &err, "--imm-message", "plain"), KN_EINVAL);
    assert_string_equal(err.message, "--imm-message is 'plain', neither 'envelope' nor 'content'");
    write_yaml("wrokers: 3\n");
    assert_int_equal(LOAD(&c, &err), KN_EINVAL);
    assert_non_null(strstr(err.message, "kinora.yaml"));
    assert_non_null(strstr(err.message, "wrokers"));
}

static void help_is_noticed_before_anything_else(void **state)
{
    (void)state;
    bool help;
    kn_auto(kn_config_clear) struct kn_config c = {0};
    const char *const argv[] = {"serve", "--nonsense", "--help"};
    assert_int_equal(kn_config_load(&c, 3, argv, &help, NULL), KN_OK);
    assert_true(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_follow_the_data_folder, forget_environment),
        cmocka_unit_test_setup(a_flag_beats_the_environment_beats_the_file, forget_environment),
        cmocka_unit_test_setup(a_repeated_flag_replaces_the_weaker_list, forget_environment),
        cmocka_unit_test_setup(complaints_name_the_setting_and_its_place, forget_environment),
        cmocka_unit_test_setup(help_is_noticed_before_anything_else, forget_environment),
    };
    return cmocka_run_group_tests_name("server/config", tests, NULL, NULL);
}
