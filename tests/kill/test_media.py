#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile inputs: truncated and corrupted films, a film that hangs its decoder or takes too long, inputs that cannot
be reached. Each ends in a good output or in an error that says what is wrong; the service answers on.

    test_media.py [--variants N] [--seed N]
"""
import argparse
import os
import random
import signal
import socket
import time
import unittest

import client

OPTIONS = argparse.Namespace(variants=12, seed=1)
SECONDS = 4
# A film that ends up to a second early is converted as far as it goes (features/convert/feed.c).
SHORTEST = 2.9


def damaged(film, seed):
    """A variant of the film and what was done to it."""
    dice = random.Random(seed)
    data, kind = bytearray(film), dice.choice(("cut", "flip", "flip in headers", "hole"))
    if kind == "cut":
        del data[dice.randrange(1, len(data)):]
    elif kind == "hole":
        at = dice.randrange(len(data))
        data[at:at + 2000] = bytes(len(data[at:at + 2000]))
    else:
        end = len(data) if kind == "flip" else min(len(data), 4000)
        for _ in range(dice.choice((1, 10, 100))):
            data[dice.randrange(end)] ^= 1 << dice.randrange(8)
    return bytes(data), kind


class HostileMedia(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = client.Service("data").start()
        cls.service.object("PUT", "films")

    @classmethod
    def tearDownClass(cls):
        cls.service.kill()

    def convert(self, key, out, **more):
        return self.service.submit(client.conversion("films", key, out, **more))

    def error_of(self, job_id, seconds=60):
        """The sentence of a job that must fail."""
        job = self.service.ended(job_id, seconds)
        self.assertEqual(job["State"], "Error", job)
        self.assertTrue(job["Code"] and job["Message"], job)
        self.assertTrue(self.service.is_well())
        return job["Message"]

    def look_at(self, name, job):
        """What became of a variant: a whole output, or an error that names the film's fault."""
        if job["State"] == "Complete":
            with open("out.mp4", "wb") as file:
                file.write(self.service.object("GET", "films", f"out/{name}.mp4")[1])
            # An MPEG-TS does not say how long it is: a part of one is a film.
            length = client.duration_of("out.mp4", is_copy=name.endswith("-copied"))
            shortest = 0 if name.startswith("ts") else SHORTEST
            self.assertTrue(shortest <= length <= SECONDS + 0.2, f"{name}: an output of {length} s became visible")
            return "converted"
        self.assertEqual(job["State"], "Error", f"{name}: {job}")
        self.assertNotIn("crash", job["Message"], f"{name}: {job['Message']}")
        self.assertTrue(job["Code"].startswith("InvalidParameter"), f"{name}: {job['Code']} {job['Message']}")
        with self.assertRaises(client.Refused):
            self.service.object("GET", "films", f"out/{name}.mp4")
        return "refused"

    def test_damaged_films_are_converted_whole_or_refused_by_name(self):
        jobs, counts = {}, {}
        for container, more in (("mp4", ("-movflags", "+faststart")), ("mkv", ()), ("ts", ()), ("flv", ())):
            client.make_film(f"in.{container}", SECONDS, more=more)
            with open(f"in.{container}", "rb") as file:
                film = file.read()
            for i in range(OPTIONS.variants // 4 + 1):
                data, kind = damaged(film, f"{OPTIONS.seed} {container} {i}")
                name = f"{container}-{i}-{kind.replace(' ', '-')}"
                self.service.object("PUT", "films", name, data)
                # Every third is copied as it is, faults included; the others are decoded.
                copied = {"video": {"Width": 640, "Height": 360}} if i % 3 == 0 else {"audio": {"Samplerate": "22050"}}
                name += "-copied" if i % 3 == 0 else ""
                jobs[name] = self.convert(name.removesuffix("-copied"), f"out/{name}", **copied)
        for name, job_id in jobs.items():
            with self.subTest(name):
                what = self.look_at(name, self.service.ended(job_id, 120))
                counts[what] = counts.get(what, 0) + 1
        print(f"seed {OPTIONS.seed}: {len(jobs)} damaged films: {counts}")
        self.assertTrue(self.service.is_well())

    def test_inputs_that_cannot_be_reached_are_named(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        missing = self.convert("nothing.mp4", "out/a")
        config = client.conversion("films", "x", "out/b")
        config["Inputs"][0]["InputFile"] = {"Type": "OSS", "Media": f"http://127.0.0.1:{port}/film.mp4"}
        refused = self.service.submit(config)
        config["Inputs"][0]["InputFile"] = {"Type": "OSS", "Media": "oss://no-such-bucket/film.mp4"}
        no_bucket = self.service.submit(config)
        self.assertIn("nothing.mp4", self.error_of(missing))
        self.assertIn("no-such-bucket", self.error_of(no_bucket))
        self.assertIn(f"127.0.0.1:{port}", self.error_of(refused, 120))


class Limits(unittest.TestCase):
    """Jobs that would run for ever, with limits a test can wait for. (Memory: tests/unit/supervisor/test_local.c.)"""

    def setUp(self):
        client.make_film("long.mp4", 60)

    def serve(self, *arguments):
        self.service = client.Service(f"data{len(arguments)}{arguments[0]}", *arguments).start()
        self.addCleanup(self.service.kill)
        self.service.object("PUT", "films")
        self.service.put_file("films", "long.mp4", "long.mp4")
        return self.service.submit(client.conversion("films", "long.mp4", "out", {"Width": 1280, "Height": 720}))

    def ended_by(self, job_id, word):
        job = self.service.ended(job_id)
        self.assertEqual(job["State"], "Error", job)
        self.assertIn(word, job["Message"])
        self.assertEqual(self.service.children(), [], "its process is gone")
        self.assertTrue(self.service.is_well())

    def test_a_film_that_takes_too_long_is_stopped_and_says_so(self):
        self.ended_by(self.serve("--job-limit-seconds", "1"), "longer than its limit")

    def test_a_decoder_that_hangs_is_stopped_and_says_so(self):
        job_id = self.serve("--job-stall-seconds", "1")
        child = client.until(self.service.children, lambda found: found)[0]
        os.kill(child, signal.SIGSTOP)  # from outside a hung decoder looks just like this
        self.ended_by(job_id, "no progress for 1 s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--variants", type=int, default=12)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=["test_media.py", *rest], verbosity=2)
