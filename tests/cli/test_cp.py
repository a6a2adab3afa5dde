"""kinora cp and buckets: what goes up comes down again, byte for byte, or not at all."""
import os
import re
import signal
import subprocess
import time

import support

MIB = 1024 * 1024


def write(path, n_bytes, seed=b"kinora"):
    """A file that does not compress and is the same every time."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    block = b"".join((seed + b"%d" % i).ljust(64, b".") for i in range(1024))
    with open(path, "wb") as file:
        for at in range(0, n_bytes, len(block)):
            file.write(block[:n_bytes - at])


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Cp(support.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service.run("buckets", "create", "films")

    def test_a_bucket_is_made_listed_and_deleted(self):
        self.ok("buckets", "create", "short-lived")
        self.assertIn("short-lived", [b["Name"] for b in self.ok("buckets", "list", "--json").json])
        self.assertIn("BUCKET", self.ok("buckets", "list").out)
        self.ok("buckets", "delete", "short-lived")
        self.assertNotIn("short-lived", self.ok("buckets", "list").out)

    def test_an_empty_file_goes_up_and_comes_down(self):
        write("empty.txt", 0)
        self.ok("cp", "empty.txt", "oss://films/in/")
        self.ok("cp", "oss://films/in/empty.txt", "empty-again.txt")
        self.assertEqual(read("empty-again.txt"), b"")

    def test_names_in_any_script_survive(self):
        name = "été 電影 & 100%+#?.bin"
        write(name, 1000)
        self.ok("cp", name, "oss://films/names/")
        copied = self.ok("cp", "--json", "-r", "oss://films/names/", "names/").json
        self.assertEqual([c["To"] for c in copied], ["names/" + name])
        self.assertEqual(read("names/" + name), read(name))

    def test_a_large_file_goes_up_in_parts(self):
        write("large.bin", 20 * MIB + 7)
        self.ok("cp", "large.bin", "oss://films/large.bin")
        self.ok("cp", "oss://films/large.bin", "large-again.bin")
        self.assertEqual(read("large-again.bin"), read("large.bin"))
        self.ok("cp", "oss://films/large.bin", "oss://films/copy/")
        self.ok("cp", "oss://films/copy/large.bin", "copied/")
        self.assertEqual(read("copied/large.bin"), read("large.bin"))

    def test_a_folder_goes_up_and_comes_down(self):
        for i, name in enumerate(["a.txt", "deep/b.txt", "deep/er/c.txt"]):
            write("tree/" + name, 100 + i)
        self.ok("cp", "-r", "tree", "oss://films/trees/one")
        self.ok("cp", "-r", "oss://films/trees/one", "oss://films/trees/two/")
        self.ok("cp", "-r", "oss://films/trees/two/", "tree-again")
        for name in ["a.txt", "deep/b.txt", "deep/er/c.txt"]:
            self.assertEqual(read("tree-again/" + name), read("tree/" + name))

    def test_a_folder_without_r_is_refused(self):
        write("folder/x.txt", 1)
        self.assert_fails(self.service.run("cp", "folder", "oss://films/"), "-r")

    def uploads(self, key):
        """Ids of the uploads of a key that are under way."""
        listed = self.service.store("GET", "/films/?uploads").decode()
        return re.findall(rf"<Key>{key}</Key><UploadId>(.*?)</UploadId>", listed)

    def test_a_resumed_upload_goes_on_with_the_parts_that_are_there(self):
        write("parts.bin", 33 * MIB, b"parts")
        self.service.store("POST", "/films/parts.bin?uploads", b"")
        upload, = self.uploads("parts.bin")
        whole = read("parts.bin")
        # The first part is ours; the second was of a file that has changed since.
        for number, part in (1, whole[:16 * MIB]), (2, b"x" * 16 * MIB):
            self.service.store("PUT", f"/films/parts.bin?partNumber={number}&uploadId={upload}", part)
        self.ok("cp", "--resume", "parts.bin", "oss://films/parts.bin")
        self.assertEqual(self.uploads("parts.bin"), [])
        self.ok("cp", "oss://films/parts.bin", "parts-again.bin")
        self.assertEqual(read("parts-again.bin"), whole)

    def test_a_stopped_upload_leaves_nothing(self):
        going = self.interrupt("stopped.bin")
        if going.returncode == 0:
            return  # it was done before the signal came
        # On a slow machine the signal comes before there is anything to stop, and simply ends it.
        self.assertIn(going.returncode, (1, -signal.SIGINT))
        self.assertEqual(self.uploads("stopped.bin"), [])

    def interrupt(self, name, *options):
        write(name, 33 * MIB, name.encode())
        going = subprocess.Popen([support.KINORA, "cp", *options, name, f"oss://films/{name}", "--data",
                                  self.service.folder], env=support.ENV, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        time.sleep(0.1)
        going.send_signal(signal.SIGINT)
        going.communicate()
        return going

    def test_an_upload_stopped_at_any_moment_is_right_in_the_end(self):
        self.interrupt("resumed.bin", "--resume")
        self.ok("cp", "--resume", "resumed.bin", "oss://films/resumed.bin")
        self.assertEqual(self.uploads("resumed.bin"), [])
        self.ok("cp", "oss://films/resumed.bin", "resumed-again.bin")
        self.assertEqual(read("resumed-again.bin"), read("resumed.bin"))

    def test_a_resumed_download_goes_on_where_it_stopped(self):
        write("down.bin", 5 * MIB, b"down")
        self.ok("cp", "down.bin", "oss://films/down.bin")
        with open("down-again.bin.part", "wb") as part:
            part.write(read("down.bin")[:2 * MIB])
        self.ok("cp", "--resume", "oss://films/down.bin", "down-again.bin")
        self.assertEqual(read("down-again.bin"), read("down.bin"))
        self.assertFalse(os.path.exists("down-again.bin.part"))

    def test_what_is_left_of_another_object_is_not_taken_for_this_one(self):
        write("other.bin", 5 * MIB, b"other")
        self.ok("cp", "other.bin", "oss://films/other.bin")
        write("mixed.bin.part", 2 * MIB, b"something else")
        self.assert_fails(self.service.run("cp", "--resume", "oss://films/other.bin", "mixed.bin"),
                          "another object")
        self.assertFalse(os.path.exists("mixed.bin"))
        self.ok("cp", "--resume", "oss://films/other.bin", "mixed.bin")
        self.assertEqual(read("mixed.bin"), read("other.bin"))

    def test_failures_name_what_is_missing_and_leave_nothing(self):
        self.assert_fails(self.service.run("cp", "absent.bin", "oss://films/"), "absent.bin")
        self.assert_fails(self.service.run("cp", "oss://films/absent", "got.bin"), "oss://films/absent")
        self.assert_fails(self.service.run("cp", "oss://nowhere-at-all/x", "got.bin"), "nowhere-at-all")
        self.assert_fails(self.service.run("cp", support.__file__, "oss://nowhere-at-all/x"),
                          "NoSuchBucket", "kinora buckets create")
        self.assert_fails(self.service.run("cp", "a", "b"), "oss://")
        self.assert_fails(self.service.run("cp", "a"), "destination", status=2)
        self.assertEqual([f for f in os.listdir(".") if f.startswith("got.bin")], [])

    def test_without_a_service_it_says_how_to_start_one(self):
        self.assert_fails(support.run("cp", "a", "oss://films/", "--data", "no-such-folder"),
                          "kinora serve")


if __name__ == "__main__":
    support.main()
