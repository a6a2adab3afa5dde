#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGTERM while jobs run: they finish, or go back to the queue without counting as a failure, and the next start goes
on where this one ended."""
import os
import time
import unittest

import client


class Shutdown(unittest.TestCase):
    def serve(self, *arguments, seconds):
        self.service = client.Service("data-" + self.id().rsplit(".", 1)[1], *arguments, workers=2).start()
        self.addCleanup(self.service.kill)
        client.make_film("in.mp4", seconds)
        self.service.object("PUT", "films")
        self.service.put_file("films", "in.mp4", "in.mp4")

    def submit(self, n, **video):
        self.ids = [self.service.submit(client.conversion("films", "in.mp4", f"out{i}", video)) for i in range(n)]
        client.until(self.service.children, lambda found: len(found) == 2)

    def job_rows(self):
        return {job_id: (state, int(attempt), int(n_tries)) for job_id, state, attempt, n_tries in
                client.rows(self.service, "SELECT id, state, attempt, n_tries FROM job")}

    def all_complete(self):
        for job_id in self.ids:
            self.assertEqual(self.service.ended(job_id, 120)["State"], "Complete")

    def test_running_jobs_finish_and_the_queue_waits(self):
        self.serve(seconds=2)
        self.submit(4)
        nursery = self.service.nursery()
        self.assertEqual(self.service.stop(120), 0)
        self.assertFalse(os.path.exists(f"/proc/{nursery}"), "the nursery is gone")
        states = sorted(self.job_rows().values())
        self.assertIn(states, ([("0", 0, 0)] * 2 + [("2", 1, 1)] * 2, [("0", 0, 0)] * 1 + [("2", 1, 1)] * 3))
        self.service.start()
        self.all_complete()

    def test_jobs_that_take_longer_go_back_and_run_again(self):
        self.serve("--drain-seconds", "0", seconds=10)
        self.submit(3, Width=640, Height=360)
        began = time.monotonic()
        self.assertEqual(self.service.stop(120), 0)
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual(sorted(self.job_rows().values()), [("0", 0, 0), ("0", 1, 0), ("0", 1, 0)], "uncounted, at once")
        self.assertEqual(os.listdir(os.path.join(self.service.data, "workers")), [])
        self.service.start()
        self.all_complete()


if __name__ == "__main__":
    unittest.main(verbosity=2)
