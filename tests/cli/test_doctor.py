"""kinora doctor: the truth about this machine, and an exit status that says whether it will do."""
import os
import shutil
import subprocess
import unittest

import support


class Doctor(unittest.TestCase):
    def test_a_machine_that_runs_the_tests_lacks_nothing(self):
        said = support.run("doctor", "--data", "here", "--json")
        self.assertEqual(said.status, 0, said.out + said.err)
        report = said.json
        self.assertEqual(report["Problems"], [])
        works = {r["Name"]: r["Works"] for part in ("Encoders", "Decoders", "Filters")
                 for r in report["Media"][part]}
        self.assertTrue(works["libx264"] and works["aac"] and works["h264"] and works["scale"])
        self.assertTrue(report["Media"]["Sandbox"]["Seccomp"])
        self.assertIn("nothing that Kinora needs is missing", support.run("doctor", "--data", "here").out)
        self.assertFalse(os.path.exists("here"), "it looks, and leaves nothing")

    def test_a_service_that_runs_is_looked_at_too(self):
        service = support.Service("running")
        self.addCleanup(service.stop)
        report = support.run("doctor", "--data", "running", "--json").json
        self.assertTrue(report["Database"]["IsThere"])
        self.assertEqual(report["Problems"], [])

    def test_a_database_out_of_reach_is_a_problem(self):
        said = support.run("doctor", "--data", "here", "--database", "postgresql://secret:word@127.0.0.1:1/x")
        self.assertEqual(said.status, 1)
        self.assertIn("problem: Database", said.out)
        self.assertNotIn("word@", said.out)

    def test_a_folder_that_cannot_be_written_is_a_problem(self):
        said = support.run("doctor", "--data", "/proc/kinora", "--json")
        self.assertEqual(said.status, 1)
        self.assertTrue(any(p.startswith("Data: ") for p in said.json["Problems"]))

    def test_a_missing_worker_is_a_problem(self):
        os.makedirs("alone", exist_ok=True)
        lone = os.path.abspath("alone/kinora")
        shutil.copy(support.KINORA, lone)
        shutil.copy(support.KINORA + "-commands", lone + "-commands")
        said = subprocess.run([lone, "doctor", "--data", "here"], env=support.ENV, text=True,
                              stdout=subprocess.PIPE, timeout=60)
        self.assertEqual(said.returncode, 1)
        self.assertIn("kinora-worker", said.stdout)

    def test_a_missing_part_of_the_command_line_is_named(self):
        os.makedirs("bare", exist_ok=True)
        lone = os.path.abspath("bare/kinora")
        shutil.copy(support.KINORA, lone)
        said = subprocess.run([lone, "doctor"], env=support.ENV, text=True, stderr=subprocess.PIPE, timeout=60)
        if said.returncode != 0:  # where Kinora is installed, its other programs are found
            self.assertRegex(said.stderr, "^kinora: cannot start '.*/kinora-commands': No such file or directory")


if __name__ == "__main__":
    support.main()
