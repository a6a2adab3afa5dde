#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk: uploads and jobs get a clear error, what was there stays readable, and with space back all goes on.
The disk is a small tmpfs of the test's own, which takes root; skipped aloud otherwise."""
import os
import subprocess
import sys
import unittest

import client

SIZE_MIB = 24


class FullDisk(unittest.TestCase):
    def setUp(self):
        os.makedirs("disk", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "kinora-test", "disk"], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", "disk"], check=True)
        self.service = client.Service("disk/data")
        self.service.log = "service.log"  # not on that disk
        self.service.start()
        self.addCleanup(self.service.kill)
        client.make_film("in.mp4", 4)
        self.service.object("PUT", "films")
        self.service.put_file("films", "in.mp4", "in.mp4")

    def fill(self):
        with open("disk/filler", "ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def refusal(self, act, *arguments):
        with self.assertRaises(client.Refused) as refused:
            act(*arguments)
        return refused.exception

    def look(self):
        """What needs no space works while there is none."""
        self.assertTrue(self.service.is_well())
        self.assertEqual(len(self.service.object("GET", "films", "in.mp4")[1]), os.path.getsize("in.mp4"))
        self.service.call("ListMediaConvertJobs")

    def test_a_full_disk_is_told_and_survived(self):
        config = client.conversion("films", "in.mp4", "before")
        self.assertEqual(self.service.ended(self.service.submit(config))["State"], "Complete")
        waiting = self.service.submit(client.conversion("films", "in.mp4", "long", {"Width": 1280, "Height": 720}))
        client.until(self.service.children, lambda found: found)
        self.fill()
        for size in (100, 1_000_000):  # in the database, in a file
            error = self.refusal(self.service.object, "PUT", "films", f"big-{size}", os.urandom(size))
            print(f"\n  PUT of {size} bytes: {error.status} {error.code}")
            self.assertEqual((error.status, error.code), (507, "DiskFull"))
            self.assertIn("disk of this service is full", error.text)
            self.assertEqual(self.refusal(self.service.object, "HEAD", "films", f"big-{size}").status, 404)
        error = self.refusal(self.service.submit, client.conversion("films", "in.mp4", "never"))
        print(f"  submit: {error.status} {error.code}")
        self.assertIn("disk of this service is full", error.text)
        self.look()
        for key in ("never", "long"):
            self.assertEqual(self.refusal(self.service.object, "HEAD", "films", key + ".mp4").status, 404)
        os.unlink("disk/filler")
        # The job that met the full disk was not charged with it for ever: it is tried again.
        job = self.service.ended(waiting, 120)
        self.assertEqual(job["State"], "Complete", job)
        for size in (100, 1_000_000):
            self.service.object("PUT", "films", f"again-{size}", os.urandom(size))
        again = self.service.submit(client.conversion("films", "in.mp4", "after"))
        self.assertEqual(self.service.ended(again)["State"], "Complete")
        self.assertEqual(self.service.stop(), 0)
        self.assertEqual(self.service.start().ended(again)["State"], "Complete")

    def test_a_job_whose_output_does_not_fit_says_so(self):
        client.make_film("noise.mp4", 4, more=("-vf", "noise=alls=90:allf=t"))
        self.service.put_file("films", "noise.mp4", "noise.mp4")
        disk = os.statvfs("disk")
        with open("disk/filler", "wb") as file:  # 300 KiB are left, for records; the output needs more
            file.write(bytes(disk.f_bavail * disk.f_bsize - (300 << 10)))
        job = self.service.ended(self.service.submit(client.conversion(
            "films", "noise.mp4", "huge", {"Width": 320, "Height": 180, "Crf": 2})), 180)
        self.assertEqual(job["State"], "Error", job)
        self.assertIn("disk of this service is full", job["Message"])
        self.look()
        os.unlink("disk/filler")
        again = self.service.submit(client.conversion("films", "in.mp4", "after"))
        self.assertEqual(self.service.ended(again)["State"], "Complete")


if __name__ == "__main__":
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], check=False,
                                           capture_output=True).returncode != 0:
        print("disk: SKIPPED: a small file system can be mounted by root only", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=2)
