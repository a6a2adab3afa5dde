"""kinora backup and restore: what was there is there again."""
import glob
import os

import support


class Backup(support.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service.run("buckets", "create", "films")
        with open("a.bin", "wb") as file:
            file.write(os.urandom(300_000))
        cls.service.run("cp", "a.bin", "oss://films/in/a.bin")
        cls.service.run("pipelines", "create", "night", "--priority", "2")

    def test_a_backup_of_a_running_service_restores_into_a_new_one(self):
        made = self.ok("backup", "backup-1", "--json").json
        self.assertGreater(made["Rows"], 0)
        self.assertGreater(made["Bytes"], 300_000)
        self.assertEqual(support.run("backup", "--verify", "backup-1").status, 0)
        restored = support.run("restore", "backup-1", "--data", "restored")
        self.assertEqual(restored.status, 0, restored.err)
        other = support.Service("restored")
        self.addCleanup(other.stop)
        # The keys came along; the file with the first of them did not.
        key = dict(zip(("KINORA_ACCESS_KEY_ID", "KINORA_ACCESS_KEY_SECRET"), self.service.key()))
        got = other.run("cp", "oss://films/in/a.bin", "a-again.bin", env=key)
        self.assertEqual(got.status, 0, got.err)
        with open("a.bin", "rb") as before, open("a-again.bin", "rb") as after:
            self.assertEqual(before.read(), after.read())
        self.assertIn("night", other.run("pipelines", "list", env=key).out)

    def test_nothing_is_overwritten(self):
        self.ok("backup", "backup-2")
        self.assert_fails(self.service.run("backup", "backup-2"), "not there yet")
        self.assertEqual(support.run("restore", "backup-2", "--data", "once").status, 0)
        self.assert_fails(support.run("restore", "backup-2", "--data", "once"), "--data")

    def test_a_damaged_backup_is_found_out(self):
        self.ok("backup", "backup-3")
        damaged, = (f for f in glob.glob("backup-3/objects/**", recursive=True) if os.path.isfile(f))
        with open(damaged, "r+b") as file:
            file.write(b"x")
        self.assert_fails(support.run("backup", "--verify", "backup-3"), os.path.basename(damaged))
        self.assert_fails(support.run("restore", "backup-3", "--data", "never"))

    def test_where_nothing_is_it_says_so(self):
        self.assert_fails(support.run("backup", "b", "--data", "no-such-folder"), "--data")
        self.assert_fails(support.run("restore", "no-such-backup", "--data", "d"), "kinora backup")
        self.assert_fails(support.run("backup"), "folder", status=2)


if __name__ == "__main__":
    support.main()
