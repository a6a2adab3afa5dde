"""kinora keys: from nothing to a working client, before the first start and beside a running service."""
import os
import stat

import support


def pairs(text):
    """NAME=value lines as a dictionary."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class BeforeTheFirstStart(support.unittest.TestCase):
    def test_the_first_key_works_with_the_service_that_starts_later(self):
        made = support.run("keys", "create", "--role", "admin", "--name", "ops", "--data", "early")
        self.assertEqual(made.status, 0, made.err)
        key = pairs(made.out)
        self.assertEqual(stat.S_IMODE(os.stat("early/credentials").st_mode), 0o600)
        listed = support.run("keys", "list", "--data", "early", "--json").json
        self.assertEqual([(k["AccessKeyId"], k["Role"], k["Name"]) for k in listed],
                         [(key["KINORA_ACCESS_KEY_ID"], "admin", "ops")])
        self.assertNotIn("AccessKeySecret", listed[0])
        service = support.Service("early")
        self.addCleanup(service.stop)
        self.assertEqual(service.run("buckets", "list").status, 0)
        # And from elsewhere, with nothing but the pair and the addresses.
        far = support.run("buckets", "list", "--json", "--data", "elsewhere", "--api", service.api,
                          "--oss", service.oss, env=key)
        self.assertEqual(far.status, 0, far.err)
        # No other first key was made.
        self.assertEqual(len(service.run("keys", "list", "--json").json), 1)

    def test_nothing_is_listed_where_nothing_is(self):
        listed = support.run("keys", "list", "--data", "not-there")
        self.assertEqual(listed.status, 1)
        self.assertIn("not-there", listed.err)
        self.assertFalse(os.path.exists("not-there"))


class BesideARunningService(support.Case):
    def create(self, *options):
        return self.ok("keys", "create", "--json", *options).json

    def as_key(self, key, *args):
        return self.service.run(*args, env={"KINORA_ACCESS_KEY_ID": key["AccessKeyId"],
                                            "KINORA_ACCESS_KEY_SECRET": key["AccessKeySecret"]})

    def test_a_key_does_what_its_role_allows(self):
        reader = self.create("--role", "read-only", "--name", "eyes")
        self.assertEqual(self.as_key(reader, "jobs", "list").status, 0)
        self.assertEqual(self.as_key(reader, "pipelines", "list").status, 0)
        self.assert_fails(self.as_key(reader, "buckets", "create", "mine"), "kinora keys create")
        self.assert_fails(self.as_key(reader, "pipelines", "create", "mine"), "kinora keys create")

    def test_a_key_is_disabled_enabled_and_revoked(self):
        key = self.create("--role", "operator")
        self.assertEqual(self.as_key(key, "jobs", "list").status, 0)
        self.ok("keys", "disable", key["AccessKeyId"])
        self.assert_fails(self.as_key(key, "jobs", "list"))
        self.ok("keys", "enable", key["AccessKeyId"])
        self.assertEqual(self.as_key(key, "jobs", "list").status, 0)
        self.ok("keys", "revoke", key["AccessKeyId"])
        self.assert_fails(self.as_key(key, "jobs", "list"), "KINORA_ACCESS_KEY_ID")
        self.assertNotIn(key["AccessKeyId"], self.ok("keys", "list").out)

    def test_a_key_bound_to_a_bucket_touches_no_other(self):
        self.ok("buckets", "create", "inside")
        self.ok("buckets", "create", "outside")
        with open("small.txt", "w", encoding="utf-8") as file:
            file.write("x")
        key = self.create("--bucket", "inside/in")
        self.assertEqual(self.as_key(key, "cp", "small.txt", "oss://inside/in/a.txt").status, 0)
        self.assert_fails(self.as_key(key, "cp", "small.txt", "oss://outside/a.txt"))

    def test_the_last_administrator_stays(self):
        first, _ = self.service.key()
        self.assert_fails(self.service.run("keys", "revoke", first))
        self.assertEqual(self.service.run("keys", "list").status, 0)

    def test_wrong_words_are_refused(self):
        self.assert_fails(self.service.run("keys", "create", "--role", "king"))
        self.assert_fails(self.service.run("keys", "revoke"), "id", status=2)
        self.assert_fails(self.service.run("keys", "crown"), "crown", "--help", status=2)
        self.assert_fails(self.service.run("keys", "revoke", "nobody"))


if __name__ == "__main__":
    support.main()
