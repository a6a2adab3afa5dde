#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""test_captions: real caption files and films, where they lie beside the checkout.

    test_captions.py KINORA SOURCE

Every stream of ../shared/media/captions that has an .expected file comes out as it says: the cues' text
exactly, their times within a millisecond; of pictures nearly exactly, within a frame. Those files hold
text without looks and places, so these are taken off ours first; tests/unit/engine/caption compares them.
"""
import os
import re
import subprocess
import sys
import unittest

KINORA, SOURCE = sys.argv[1], sys.argv[2]
sys.path.insert(0, os.path.join(SOURCE, "tests/support"))
from edit_distance import distance  # noqa: E402
MEDIA = os.path.realpath(os.path.join(SOURCE, "../shared/media/captions"))

# Ends that no data says: the expected file has what one program made of it.
OPEN_ENDS = {"cea608_hls"}
# Streams made of pictures, in English.
PICTURES = {name: name + "." + extension for name, extension in (
    ("libpgs_test", "sup"), ("only_one", "sup"), ("sample_MKV_VobSub_PGS", "mkv"), ("sample_XSUB", "avi"),
    ("sample_with_pgs_subtitles", "mkv"), ("sample_with_vobsub", "mkv"), ("tiny", "idx"))}


def read(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return file.read().replace("\r\n", "\n")


def milliseconds(text):
    h, m, rest = text.split(":")
    s, ms = rest.split(",")
    return ((int(h) * 60 + int(m)) * 60 + int(s)) * 1000 + int(ms)


def cues(path):
    """[(start, end, text)] of an SRT file, text without tags."""
    found = []
    for block in read(path).strip("\n").split("\n\n"):
        lines = block.split("\n")
        start, _, end = lines[1].partition(" --> ")
        plain = re.sub(r"</?[ibus]>|</?font[^>]*>|\{\\an[1-9]\}", "", "\n".join(lines[2:]))
        found.append((milliseconds(start), milliseconds(end.split()[0]), plain))
    return found


def captions(*args):
    done = subprocess.run([KINORA, "captions", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60)
    return done.returncode, done.stdout.split("\n"), done.stderr


def folder(name):
    path = os.path.join(MEDIA, name)
    return [os.path.join(path, entry) for entry in sorted(os.listdir(path))]


class Captions(unittest.TestCase):
    def test_closed_captions_are_read_beside_caption_tracks(self):
        with open("beside.srt", "w", encoding="utf-8") as file:
            file.write("1\n00:00:01,000 --> 00:00:02,000\nBeside\n")
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", f"{MEDIA}/cea608_hls.ts", "-i", "beside.srt", "-map", "0:v",
                        "-map", "1", "-c", "copy", "both.mkv"], check=True)
        status, out, err = captions("both.mkv", "-o", "both.{streamindex}.srt", "--overwrite")
        self.assertEqual((status, out), (0, ["both.0.srt", ""]), err)
        self.assertEqual([text for _, _, text in cues("both.0.srt")], ["Beside"])
        status, out, err = captions("both.mkv", "--closed-only", "-o", "both.{streamindex}.srt", "--overwrite")
        self.assertEqual((status, out), (0, ["both.1.srt", ""]), err)
        expected = [text for _, _, text in cues(f"{MEDIA}/cea608_hls.expected.srt")]
        self.assertEqual([text for _, _, text in cues("both.1.srt")], expected)
        status, _, err = captions("both.mkv", "--closed-only", "--list")
        self.assertEqual(status, 0, err)
        status, _, err = captions(f"{MEDIA}/sample_MKV_SRT.mkv", "--closed-only", "-o", "none.srt")
        self.assertEqual(status, 1)
        self.assertIn("has no closed captions", err)

    def test_films_say_what_is_expected_of_them(self):
        compared = 0
        for entry in sorted(os.listdir(MEDIA)):
            name, is_expected, _ = entry.partition(".expected.srt")
            if not is_expected:
                continue
            film = next((f"{MEDIA}/{name}.{e}" for e in ("mkv", "mp4", "ts") if os.path.exists(f"{MEDIA}/{name}.{e}")),
                        None)
            if not film or name in PICTURES:
                continue
            with self.subTest(film=name):
                status, made, err = captions(film, "-o", name + ".{streamindex}.srt")
                self.assertTrue(made[0], err)
                compared += 1
                ours, theirs = cues(made[0]), cues(os.path.join(MEDIA, entry))
                self.assertEqual([cue[2] for cue in ours], [cue[2] for cue in theirs])
                for i, (a, b) in enumerate(zip(ours, theirs)):
                    self.assertAlmostEqual(a[0], b[0], delta=1)
                    if not (name in OPEN_ENDS and i == len(ours) - 1):
                        self.assertAlmostEqual(a[1], b[1], delta=1)
        self.assertGreaterEqual(compared, 9)

    def test_pictures_of_text_are_read(self):
        n_wrong = n_characters = 0
        for name, film in PICTURES.items():
            with self.subTest(film=name):
                status, made, err = captions(f"{MEDIA}/{film}", "-o", film + ".{streamindex}.srt",
                                             "--ocr-language", "eng")
                self.assertTrue(made[0], err)
                ours, theirs = cues(made[0]), cues(f"{MEDIA}/{name}.expected.srt")
                self.assertGreaterEqual(len(ours), len(theirs))
                for a, b in zip(ours, theirs):
                    n_wrong += distance(a[2], b[2])
                    n_characters += len(b[2])
                    self.assertAlmostEqual(a[0], b[0], delta=40)  # a frame
                    self.assertAlmostEqual(a[1], b[1], delta=40)
        self.assertLessEqual(n_wrong, 2, f"of {n_characters} characters")

    def test_webvtt_tracks_come_out_as_they_went_in(self):
        status, made, err = captions(f"{MEDIA}/ed_multisub.mkv", "-o", "ed.{streamindex}.vtt")
        self.assertEqual(status, 0, err)
        for path, language in zip(made, ("en", "ru", "ja", "sv", "ar")):
            ours, theirs = read(path), read(f"{MEDIA}/parallel/elephants_dream.{language}.vtt")
            words = [[line.rstrip() for line in text.split("\n") if line and "-->" not in line and
                      not line.isdigit() and not line.startswith("WEBVTT")] for text in (ours, theirs)]
            with self.subTest(language=language):
                self.assertEqual(*words)

    def test_oddities_are_read_and_nothing_is_dropped(self):
        counts = {"capability_tester.srt": 37, "typical_with_tags.srt": 14, "invalid.srt": 1, "gb2312.srt": 3,
                  "typical_bad_timestamps.srt": 3, "typical_no_hours_and_millis.srt": 3}
        status, made, err = captions(*folder("srt_oddities"), "-o", "srt/{name}.srt")
        self.assertEqual(status, 0, err)
        for path in made[:-1]:
            name = os.path.basename(path)
            with self.subTest(name=name):
                self.assertEqual(len(cues(path)), counts.get(name, 7 if name.startswith("bom-") else 3))
        one = [cues(f"srt/bom-{e}.srt") for e in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-be")]
        self.assertTrue(all(cue == one[0] for cue in one))
        self.assertEqual(cues("srt/gb2312.srt")[0][2], "宇宙守护神  保护我们远离邪恶")

    def test_webvtt_oddities_keep_every_cue(self):
        status, made, err = captions(*folder("vtt_oddities"), "-o", "vtt/{name}.vtt")
        self.assertEqual(status, 0, err)
        for path in made[:-1]:
            name = os.path.basename(path)
            theirs = read(f"{MEDIA}/vtt_oddities/{name}")
            with self.subTest(name=name):
                self.assertEqual(read(path).count(" --> "), theirs.count("-->"))
                words = [[line for line in text.split("\n") if line.strip() and "-->" not in line and
                          not line.startswith("WEBVTT")] for text in (read(path), theirs)]
                self.assertEqual(*words)
                self.assertTrue(read(path).startswith("WEBVTT"))

    def test_odd_texts_are_read_as_they_are_meant(self):
        status, made, err = captions(*folder("srt_oddities"), "-o", "plain/{name}.srt", "--line-end", "lf")
        for name in ("typical", "typical_extra_blank_line", "typical_missing_sequence",
                     "typical_negative_timestamps", "typical_no_hours_and_millis", "typical_utf16le",
                     "typical_with_byte_order_mark"):
            with self.subTest(name=name):
                self.assertEqual([cue[2] for cue in cues(f"plain/{name}.srt")], [
                    "This is the first subtitle.", "This is the second subtitle.\nSecond subtitle with second line.",
                    "This is the third subtitle."])
        self.assertEqual([cue[:2] for cue in cues("plain/typical_bad_timestamps.srt")][1:],
                         [(2345, 3456), (7204567, 7208900)])
        self.assertEqual([cue[:2] for cue in cues("plain/typical_negative_timestamps.srt")][:2], [(0, 2000), (0, 1234)])
        tags = read("plain/typical_with_tags.srt")
        for place in (1, 3, 4, 5, 6, 7, 8, 9):
            self.assertIn("{\\an%d}This  is a line" % place, tags)
        self.assertNotIn("tag}", tags)
        tester = read("plain/capability_tester.srt")
        self.assertIn('<font color="#a52a2a" size="24">This text should be big and brown</font>', tester)
        self.assertIn("{\\an6}This text should be at the\nmiddle and horizontally at the left", tester)
        self.assertIn("Hide these tags: \n", tester)

    def test_scc_and_ebu_tt_say_what_they_say(self):
        odd = f"{MEDIA}/other_formats/"
        status, made, err = captions(*(odd + name for name in ("pop-on.scc", "paint-on.scc", "ebu-ttd_sample.ttml")),
                                     "-o", "other/{name}.srt")
        self.assertEqual(status, 0, err)
        words = "Pellentesque interdum lacinia sollicitudin."
        self.assertEqual([cue[2] for cue in cues("other/paint-on.srt")], [
            "Lorem ipsum dolor sit amet,\nconsectetur adipiscing elit.", words + "\nconsectetur adipiscing elit.",
            words + "\nInteger luctus et ligula ac sagittis."])
        pop = cues("other/pop-on.srt")
        self.assertEqual([cue[2] for cue in pop[:2]], ["( horn honking )", "HEY, THE\u00aeE."])
        self.assertEqual(len(pop), 3)
        ebu = cues("other/ebu-ttd_sample.srt")
        self.assertEqual(len(ebu), 13)
        for start, end, text in ebu:  # each says its own times
            self.assertEqual([start, end], [milliseconds(line.replace(".", ",")) for line in text.split("\n")])

    def test_what_is_written_reads_as_it_was_written(self):
        for extension in ("srt", "vtt", "ass"):
            for odd in ("srt_oddities", "vtt_oddities", "parallel", "ass"):
                files = [path for path in folder(odd) if path.endswith((".srt", ".vtt", ".ass")) and "gpac_empty" not in path]
                once, twice = f"once-{extension}/{odd}", f"twice-{extension}/{odd}"
                status, made, err = captions(*files, "-o", once + "/{name}." + extension)
                self.assertEqual((status, len(made) - 1), (0, len(files)), err)
                status, again, err = captions(*made[:-1], "-o", twice + "/{name}." + extension)
                self.assertEqual(status, 0, err)
                for a, b in zip(made[:-1], again):
                    with self.subTest(name=a):
                        self.assertEqual(*[[line.rstrip() for line in read(path).split("\n")] for path in (a, b)])

    def test_ass_stays_as_it_is_and_ttml_becomes_its_ass(self):
        status, made, err = captions(*[p for p in folder("ass") if p.endswith(".ass")], "-o", "ass/{name}.ass")
        self.assertEqual(status, 0, err)
        for path in made[:-1]:
            theirs = read(f"{MEDIA}/{path}")
            text = [[line.split(",", 9)[-1] for line in whole.split("\n") if line.startswith(("Dialogue", "Comment"))]
                    for whole in (read(path), theirs)]
            self.assertEqual(*text)
        status, made, err = captions(f"{MEDIA}/other_formats/ttml_example.ttml", "-o", "ttml.srt")
        self.assertEqual(status, 0, err)
        status, made, err = captions(f"{MEDIA}/other_formats/ttml_example.ass", "-o", "ass.srt")
        self.assertEqual(status, 0, err)
        for a, b in zip(cues("ttml.srt"), cues("ass.srt")):
            self.assertEqual(a[2], b[2])
            self.assertAlmostEqual(a[0], b[0], delta=10)


if not os.path.isdir(MEDIA):
    print(f"skipped: there is no '{MEDIA}'", file=sys.stderr)
    sys.exit(77)
unittest.main(argv=[sys.argv[0]])
