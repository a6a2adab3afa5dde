#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of queued jobs: submits stay quick, lists come in pages, a job elsewhere starts as soon as before, all can
be cancelled, and the server's memory does not grow with the queue.

    test_queue.py [--jobs 10000]
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import threading
import time
import unittest

import client

OPTIONS = argparse.Namespace(jobs=1000)
CONNECTIONS = 16


# Memory that was freed is kept from use for a while by AddressSanitizer, and would count as the server's.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4"


class Queue(unittest.TestCase):
    def setUp(self):
        self.service = client.Service("data", workers=1).start()
        self.addCleanup(self.service.kill)
        client.make_film("in.mp4")
        self.service.object("PUT", "films")
        self.service.put_file("films", "in.mp4", "in.mp4")
        self.local = threading.local()

    def call(self, action, **parameters):
        """As Service.call(), on a connection that is kept."""
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPConnection(self.service.api, timeout=60)
            self.addCleanup(self.local.connection.close)
        path, headers = client.acs3(self.service.api, action, parameters)
        self.local.connection.request("POST", path, headers=headers)
        answer = self.local.connection.getresponse()
        body = answer.read()
        self.assertEqual(answer.status, 200, body)
        return json.loads(body)

    def in_parallel(self, act, things):
        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            began = time.monotonic()
            results = list(pool.map(act, things))
            print(f"  {len(results) / (time.monotonic() - began):.0f} a second", flush=True)
            return results

    def time_to_start(self):
        began = time.monotonic()
        job_id = self.service.submit(client.conversion("films", "in.mp4", "now"))
        client.until(lambda: f'job={job_id} msg="running' in self.service.tail(20000), bool, 60, 0.002)
        waited = time.monotonic() - began
        self.assertEqual(self.service.ended(job_id)["State"], "Complete")
        return waited

    def test_a_long_queue_costs_nobody_anything(self):
        night = self.service.call("CreatePipeline", Name="night", Speed="Standard", Priority="3")["Pipeline"]["PipelineId"]
        self.service.call("UpdatePipeline", PipelineId=night, Status="Paused")
        before = self.time_to_start()

        def submit(i):
            config = json.dumps(client.conversion("films", "in.mp4", f"out/{i}"))
            return self.call("SubmitMediaConvertJob", Config=config, PipelineId=night)["Job"]["JobId"]

        print(f"\n  {OPTIONS.jobs} submits:", end="", flush=True)
        first = self.in_parallel(submit, range(OPTIONS.jobs // 10))
        resident = self.service.resident_mib()
        print("  the rest:", end="", flush=True)
        ids = first + self.in_parallel(submit, range(len(first), OPTIONS.jobs))
        print(f"  memory {resident:.1f} MiB with {len(first)} in the queue, {self.service.resident_mib():.1f} with {len(ids)}")
        self.assertLess(self.service.resident_mib() - resident, 48)
        self.assertEqual(len(set(ids)), OPTIONS.jobs)

        began = time.monotonic()
        listed = [job["JobId"] for job in self.service.jobs() if job["State"] == "Inited"]
        print(f"  listed in {time.monotonic() - began:.1f} s")
        self.assertEqual(sorted(listed), sorted(ids), "each once")

        after = self.time_to_start()
        print(f"  a job elsewhere started after {after * 1000:.0f} ms, with an empty queue {before * 1000:.0f} ms")
        self.assertLess(after, 20)

        print("  cancelled:", end="", flush=True)
        self.in_parallel(lambda job_id: self.call("CancelMediaConvertJob", JobId=job_id), ids)
        self.assertEqual({job["State"] for job in self.service.jobs() if job["JobId"] in set(ids)}, {"Cancelled"})
        self.service.call("UpdatePipeline", PipelineId=night, Status="Active")
        self.assertLess(self.time_to_start(), 20)
        self.assertLess(self.service.resident_mib() - resident, 48)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1000)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=["test_queue.py", *rest], verbosity=2)
