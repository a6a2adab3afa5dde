#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two supervisors on one PostgreSQL. One that is stopped, and knows nothing of it, loses its lease; its job runs again
elsewhere, and what it publishes late is refused. One that is killed has its job run again on the same host at once."""
import os
import re
import signal
import sys
import time
import unittest

import client

LEASE_SECONDS = 10  # LEASE_US in src/supervisor/supervisor.c


class Fencing(unittest.TestCase):
    def setUp(self):
        database = ["--database", os.environ["KINORA_TEST_DATABASE"]]
        # One place each, so that it is known who runs what; a folder for both, as on one host.
        folder = "data-" + self.id().rsplit(".", 1)[1]
        self.services = [client.Service(folder, *database, workers=1) for _ in range(2)]
        for service in self.services:
            service.start()
            self.addCleanup(service.kill)
        client.make_film("in.mp4", 10)
        self.services[0].object("PUT", "films")
        self.services[0].put_file("films", "in.mp4", "in.mp4")
        self.receiver = client.Receiver()
        self.addCleanup(self.receiver.stop)
        self.services[0].call("SetEventCallback", CallbackType="HTTP", CallbackURL=self.receiver.url,
                              EventTypeList="MediaConvertComplete")

    def submit(self, key):
        """A job that takes some seconds; who runs it, and who does not."""
        job_id = self.services[0].submit(client.conversion("films", "in.mp4", key, {"Width": 1280, "Height": 720}))
        client.until(lambda: [s for s in self.services if s.children()], lambda found: found)
        first, second = sorted(self.services, key=lambda s: not s.children())
        return job_id, first, second

    def second_attempt(self, service, job_id):
        """Wait until this service has begun its second attempt at the job."""
        def has_begun():
            return re.search(rf'job={job_id} msg="running, attempt 2"', service.tail(100000))
        client.until(has_begun, bool, 90, 0.01)

    def ended_once(self, job_id, service, key):
        job = service.ended(job_id, 120)
        self.assertEqual(job["State"], "Complete", job)
        client.until(self.receiver.jobs_told, lambda told: job_id in told)
        events = client.rows(service, f"SELECT COUNT(*) FROM event WHERE subject = '{job_id}'")
        self.assertEqual(events, [("1",)])
        with open("out.mp4", "wb") as file:
            file.write(service.object("GET", "films", key + ".mp4")[1])
        self.assertAlmostEqual(client.duration_of("out.mp4"), 10, delta=0.2)

    def test_a_stopped_supervisor_loses_its_job_and_cannot_publish_it_late(self):
        job_id, stopped, other = self.submit("fenced")
        child = stopped.children()[0]
        stopped.signal(signal.SIGSTOP)
        began = time.monotonic()
        self.second_attempt(other, job_id)
        waited = time.monotonic() - began
        print(f"\n  a stopped supervisor's job ran again after {waited:.1f} s")
        self.assertGreater(waited, LEASE_SECONDS - 5, "not while its lease was good")
        self.ended_once(job_id, other, "fenced")
        etag = other.object("HEAD", "films", "fenced.mp4")[0]["ETag"]
        version = client.rows(other, "SELECT version FROM object WHERE object_key = 'fenced.mp4'")
        stopped.signal(signal.SIGCONT)
        client.until(lambda: "counts for nothing" in stopped.tail(100000), bool, 90)
        client.until(lambda: os.path.exists(f"/proc/{child}"), lambda exists: not exists)
        self.assertEqual(client.rows(other, "SELECT version FROM object WHERE object_key = 'fenced.mp4'"), version)
        self.assertEqual(other.object("HEAD", "films", "fenced.mp4")[0]["ETag"], etag)
        self.assertEqual(client.rows(other, f"SELECT state, attempt FROM job WHERE id = '{job_id}'"), [("2", "2")])
        self.assertTrue(stopped.is_well(), "and it works on")
        self.assertEqual(stopped.ended(stopped.submit(client.conversion("films", "in.mp4", "after")), 120)["State"], "Complete")

    def test_a_killed_supervisors_job_runs_again_on_the_same_host(self):
        job_id, killed, other = self.submit("killed")
        killed.kill()
        began = time.monotonic()
        self.second_attempt(other, job_id)
        print(f"\n  a killed supervisor's job ran again after {time.monotonic() - began:.2f} s")
        self.ended_once(job_id, other, "killed")

    def test_a_killed_child_and_a_killed_nursery_are_tried_again_at_once(self):
        for key, victims in (("child", lambda s: s.children()), ("nursery", lambda s: [s.nursery()])):
            with self.subTest(key):
                job_id, first, _ = self.submit(key)
                client.kill_9(victims(first)[0])
                began = time.monotonic()
                client.until(lambda: any(f'job={job_id} msg="running, attempt 2"' in s.tail(100000) for s in self.services),
                             bool, 60, 0.01)
                print(f"\n  a killed {key}'s job ran again after {time.monotonic() - began:.2f} s")
                self.ended_once(job_id, self.services[0], key)


if __name__ == "__main__":
    if not os.environ.get("KINORA_TEST_DATABASE"):
        print("fencing: SKIPPED: no KINORA_TEST_DATABASE", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=2)
