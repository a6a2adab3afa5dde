"""kinora worker: beside a service whose own workers are none, on a PostgreSQL they share."""
import os
import signal
import subprocess
import unittest

import support
from media import sound

DATABASE = os.environ.get("KINORA_TEST_DATABASE")


@unittest.skipUnless(DATABASE, "needs tests/support/with-postgres")
class Worker(unittest.TestCase):
    def test_it_runs_the_jobs_of_a_service_that_has_no_workers(self):
        service = support.Service("shared", "--database", DATABASE, "--workers", "0")
        self.addCleanup(service.stop)
        worker = subprocess.Popen(
            [support.KINORA, "worker", "--data", "worker", "--database", DATABASE, "--storage",
             f"file:{service.folder}/buckets", "--workers", "1"],
            env=support.ENV, stdout=subprocess.PIPE, text=True)
        self.addCleanup(worker.stdout.close)
        self.addCleanup(worker.kill)
        self.assertEqual(worker.stdout.readline(), "kinora: ready workers=1\n")
        service.run("buckets", "create", "films")
        sound("tone.wav")
        service.run("cp", "tone.wav", "oss://films/tone.wav")
        job = service.submit("oss://films/tone.wav", "oss://films/tone.mp4")
        watched = service.run("jobs", "watch", job)
        self.assertEqual(watched.status, 0, watched.err)
        self.assertEqual(service.run("cp", "oss://films/tone.mp4", ".").status, 0)
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(timeout=60), 0)


class WithoutAnythingToShare(unittest.TestCase):
    def test_sqlite_is_refused(self):
        refused = support.run("worker", "--data", "alone")
        self.assertEqual(refused.status, 1)
        self.assertIn("postgresql://", refused.err)

    def test_a_folder_that_is_not_there_is_refused(self):
        refused = support.run("worker", "--data", "alone", "--database", "postgresql://localhost/none")
        self.assertEqual(refused.status, 1)
        self.assertIn("--storage", refused.err)


if __name__ == "__main__":
    support.main()
