#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the muxer and the disk something is lost or altered (bench/faults.c): no file, segment, playlist or
manifest of such a conversion becomes visible, and it says why."""
import json
import os
import subprocess
import sys
import unittest

FAULTS = os.path.abspath(sys.argv.pop(2))

from support import CONVERT, ConvertCase, ffmpeg, output, read, write

# LeakSanitizer and its sisters want to be the first library; here another one is, on purpose.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}


def convert_with(fault, spec, nth):
    write("job.json", json.dumps(spec).encode())
    run = subprocess.run([CONVERT, "job.json", "2"], capture_output=True, text=True, timeout=100, env={
        **ENVIRONMENT, "LD_PRELOAD": FAULTS, "KINORA_BENCH_FAULT": fault, "KINORA_BENCH_FAULT_AT": str(nth)})
    assert run.returncode in (0, 1), run.stderr
    return run.returncode, run.stderr


def files_below(folder):
    return [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]


class Faults(ConvertCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Enough bytes for a truncated segment, pictures of their own kind of damage.
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=3", "-f", "lavfi", "-i", "sine=440:d=3",
               "-c:v", "libx264", "-preset", "veryfast", "-crf", "14", "-g", "25", "-c:a", "aac", "big.mp4")

    def refused(self, fault, spec, words, nth=30):
        status, said = convert_with(fault, spec, nth)
        self.assertEqual((status, files_below("out")), (1, []), said)
        self.assertRegex(said, words)
        self.assertIn("KN_EBUG", said)  # both inputs are whole: nobody else is to blame

    def spec(self, name, container, **more):
        made = output(f"out/{name}", container, Video={"Width": 320, "Crf": 14}, MuxConfig={"Segment": {"Duration": 1}},
                      **more)
        return {"Inputs": [{"Uri": "big.mp4"}], "Outputs": [made]}

    FAULTS_OF_A_FILM = (
        ("drop-video", r"pictures of|packets of"), ("drop-audio", r"packets of"), ("late-audio", r"slipped"),
        ("short", r"(packets|pictures) of"), ("flip", r"other (bytes|pictures)|decoded"), ("truncate", r"out/"))

    def test_nothing_that_is_lost_becomes_visible(self):
        for name, container in (("x.mp4", "mp4"), ("x.ts", "ts"), ("x.m3u8", "m3u8"), ("f.m3u8", "hls-fmp4")):
            for fault, words in self.FAULTS_OF_A_FILM:
                with self.subTest(container=container, fault=fault):
                    self.refused(fault, self.spec(name, container), words)

    def test_copies_are_looked_at_too(self):
        # Of films the index is looked at, and the outermost packets: nothing in between.
        for container in ("mp4", "mov"):
            for fault, words in (("drop-video", r"packets of"), ("drop-audio", r"packets of"), ("late-audio", r"slipped"),
                                 ("late-pictures", r"slipped"), ("short", r"packets of")):
                with self.subTest(container=container, fault=fault):
                    self.refused(fault, self.spec("x." + container, container, subtype="Remux"), words)
        for container in ("m3u8", "hls-fmp4"):
            for fault, words in (("drop-audio", r"packets of"), ("late-audio", r"slipped"),
                                 ("flip", r"other (bytes|pictures)"), ("short", r"of '|other pictures")):
                with self.subTest(container=container, fault=fault):
                    self.refused(fault, self.spec("x.m3u8", container, subtype="Remux"), words)

    def test_split_tracks_of_a_dash_group(self):
        for container in ("mpd", "cmaf"):
            for fault in ("drop-video", "drop-audio", "late-audio", "flip", "short", "truncate"):
                with self.subTest(container=container, fault=fault):
                    spec = self.spec("x.mpd", container)
                    spec = {"Inputs": spec["Inputs"], "OutputGroups": [
                        {"Type": "Dash", "Base": "out/", "ManifestName": "all.mpd", "Outputs": spec["Outputs"]}]}
                    self.refused(fault, spec, r"out/")

    def test_a_damaged_input_is_to_blame_for_what_is_not_whole(self):
        """The same fault behind a whole input is ours (above); the job says which, and ends without another try."""
        film = bytearray(read("big.mp4"))
        middle = film.index(b"mdat") + (len(film) - film.index(b"mdat")) // 3
        # Several packets, their heads included: a decoder with threads does not always tell what it patched up.
        end = middle + len(film) // 20
        film[middle:end] = bytes(b ^ 0x55 for b in film[middle:end])
        write("hurt.mp4", bytes(film))
        for name, container in (("x.mp4", "mp4"), ("x.m3u8", "m3u8")):
            with self.subTest(container):
                spec = {**self.spec(name, container), "Inputs": [{"Uri": "hurt.mp4"}]}
                status, said = convert_with("flip", spec, 30)
                self.assertEqual((status, files_below("out")), (1, []), said)
                self.assertRegex(said, r"KN_EMEDIA \(ResourceContentBad\): 'hurt.mp4' is damaged, and what could be made "
                                       r"of it is not whole: .*other (bytes|pictures)")

    def test_without_a_fault_all_is_there(self):
        status, said = convert_with("none", self.spec("x.m3u8", "m3u8"), 0)
        self.assertEqual((status, len(files_below("out"))), (0, 4), said)
        for path in files_below("out"):
            self.assertTrue(read(path))
            os.remove(path)


if __name__ == "__main__":
    unittest.main(verbosity=1)
