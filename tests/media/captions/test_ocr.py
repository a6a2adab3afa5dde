#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""test_ocr: text drawn as pictures in many looks, and read again.

    test_ocr.py KINORA SOURCE

FFmpeg draws the text with libass, tests/support/sup.py makes Blu-ray captions of it, kinora reads them.
"""
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import unittest

KINORA, SOURCE = sys.argv[1], sys.argv[2]
sys.path.insert(0, os.path.join(SOURCE, "tests/support"))
import sup  # noqa: E402
from edit_distance import distance  # noqa: E402

SENTENCES = [
    "I'll tell you what I know.",
    "- Where is Illinois?\n- In the middle, I think.",
    "The quick brown fox jumps\nover the lazy dog.",
    "It was $1,250 in 2019!",
    "\"Nothing,\" she said, \"will stop us.\"",
    "Wait... did you hear that?",
    "Mr. O'Neill left at 10:45.",
    "HELP! SOMEBODY HELP ME!",
    "We all live in a small town;\nit is a quiet place.",
    "Who are you? What do you want?",
]
CHINESE = ["你好，我叫小明。", "今天的天气很好，\n我们去公园吧。", "他说：“没有问题。”", "你知道这是什么吗？", "这部电影非常有意思！"]
SANS = {"font": "Noto Sans", "size": 54}
LOOKS = {
    "sans": (SANS, {}),
    "serif": ({"font": "Noto Serif", "size": 54}, {}),
    "thin outline": ({"font": "Noto Sans", "size": 44, "outline": 1}, {}),
    "thick outline": ({"font": "Noto Sans", "size": 50, "outline": 5}, {}),
    "yellow": (SANS, {"colour": (255, 220, 0)}),
    "dark red": (SANS, {"colour": (150, 20, 20)}),
    "small": ({"font": "Noto Sans", "size": 30, "outline": 2}, {}),
}
PLAIN = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2014": "-", "\u2013": "-"})


def has_model(name):
    return bool(glob.glob(f"/usr/share/tesseract-ocr/*/tessdata/{name}.traineddata"))


def captions(*args, **environment):
    return subprocess.run([KINORA, "captions", "--overwrite", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=300, env=dict(os.environ, **environment))


def cues(path):
    """[(times, text)] as the file has them."""
    with open(path, encoding="utf-8", newline="") as file:
        blocks = [block.split("\n") for block in file.read().replace("\r\n", "\n").strip("\n").split("\n\n")]
    return [(lines[1], "\n".join(lines[2:])) for lines in blocks]


def seconds(time):
    h, m, s = time.replace(",", ".").split(":")
    return int(h) * 3600 + int(m) * 60 + float(s)


def errors(found, texts):
    """Wrong characters, in parts of all."""
    wrong = sum(distance(f.translate(PLAIN), t.translate(PLAIN)) for f, t in zip(found, texts))
    return wrong / sum(map(len, texts))


class Ocr(unittest.TestCase):
    def read(self, texts, style, language="eng", **how):
        sup.write("film.sup", texts, style, **how)
        done = captions("film.sup", "-o", "film.srt", "--ocr-language", language)
        self.assertEqual(done.returncode, 0, done.stderr)
        made = cues("film.srt")
        self.assertEqual(len(made), len(texts), made)
        return made

    def test_text_is_read_in_every_look(self):
        for name, (style, how) in LOOKS.items():
            with self.subTest(look=name):
                made = self.read(SENTENCES, style, **how)
                self.assertLessEqual(errors([text for _, text in made], SENTENCES), 0.01, made)

    def test_vobsub_and_dvb_are_read_like_pgs(self):
        sup.write("film.sup", SENTENCES, SANS)
        picture = ["-f", "lavfi", "-i", "color=c=black:s=64x64:r=25:d=36"]
        for name, codec, words in (("film.mkv", "dvdsub", []), ("film.ts", "dvbsub", picture)):
            subprocess.run(["ffmpeg", "-v", "error", "-y", *words, "-fix_sub_duration", "-i", "film.sup",
                            *(["-map", "0", "-map", "1", "-c:v", "mpeg2video"] if words else []), "-c:s", codec,
                            "-s:s", "1920x1080", "-metadata:s:s:0", "language=eng", name], check=True)
            with self.subTest(codec=codec):
                done = captions(name, "-o", "film.srt")
                self.assertEqual(done.returncode, 0, done.stderr)
                made = cues("film.srt")
                self.assertEqual(len(made), len(SENTENCES))
                self.assertLessEqual(errors([text for _, text in made], SENTENCES), 0.01, made)
                for i, (time, _) in enumerate(made):  # FFmpeg lets its captions begin at zero
                    for said, expected in zip(map(seconds, time.split(" --> ")), (3 * i, 3 * i + 2)):
                        self.assertAlmostEqual(said, expected, delta=0.04)

    def test_times_are_those_of_the_pictures(self):
        times = [time for time, _ in self.read(SENTENCES[:2], SANS, step_s=61.5, shown_s=2.25)]
        self.assertEqual(times, ["00:01:01,500 --> 00:01:03,750", "00:02:03,000 --> 00:02:05,250"])

    def test_a_lone_i_is_read(self):
        texts = [f"I {does} with the others." for does in ("am", "saw him", "was there", "had to go")] + [
            "Il est ici avec les autres."]
        for font in ("Noto Sans", "Noto Serif", "DejaVu Sans"):
            with self.subTest(font=font):
                self.assertEqual([text for _, text in self.read(texts, {"font": font, "size": 54})], texts)

    def test_italics_are_seen_and_read(self):
        made = [text for _, text in self.read(SENTENCES, {"font": "Noto Serif", "size": 54, "italic": 1})]
        plain = [text.replace("<i>", "").replace("</i>", "") for text in made]
        self.assertLessEqual(errors(plain, SENTENCES), 0.01, made)
        self.assertGreaterEqual(sum(text.startswith("<i>") and text.endswith("</i>") for text in made), 9, made)

    def test_captions_at_the_top_are_said_to_be_there(self):
        for _, text in self.read(SENTENCES[:2], SANS, top=30):
            self.assertTrue(text.startswith("{\\an8}"), text)

    def test_two_speakers_apart_get_dashes(self):
        gap = "\\h" * 40
        drawn = [f"Where are you?{gap}\n{gap}Over here, behind you.", f"-Where are you?{gap}\n{gap}-Over here, behind you.",
                 "Where are you?\nI think that I am over here, my friend.", f"Where are you?{gap}\nOver here, behind you.{gap}"]
        made = [text for _, text in self.read(drawn, SANS)]
        self.assertEqual(made[0], "- Where are you?\n- Over here, behind you.")
        self.assertEqual(made[1].replace("- ", "-"), "-Where are you?\n-Over here, behind you.")
        self.assertEqual([text[:5] for text in made[2:]], ["Where", "Where"])

    def test_captions_clearly_to_the_side_are_said_to_be_there(self):
        made = [text for _, text in self.read(["{\\an1}It is here.", "{\\an3}It is there.", "It is a very long day."], SANS)]
        self.assertEqual(made, ["{\\an1}It is here.", "{\\an3}It is there.", "It is a very long day."])

    def test_models_may_lie_in_a_folder_of_ones_own(self):
        os.makedirs("models", exist_ok=True)
        shutil.copy(glob.glob("/usr/share/tesseract-ocr/*/tessdata/eng.traineddata")[0], "models/mine.traineddata")
        sup.write("film.sup", SENTENCES[:1], SANS)
        for folder in ("models", os.path.abspath("models")):
            done = captions("film.sup", "-o", "film.srt", "--ocr-language", "mine", TESSDATA_PREFIX=folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(cues("film.srt")[0][1], SENTENCES[0])

    def test_an_index_and_its_pictures_are_one_source(self):
        tiny = os.path.join(SOURCE, "../shared/media/captions/tiny")
        if not os.path.exists(tiny + ".idx"):
            self.skipTest("there is no shared/media")
        made = []
        for names in ([tiny + ".idx"], [tiny + ".sub"], [tiny + ".sub", tiny + ".idx"]):
            done = captions(*names, "-o", "tiny.srt", "--ocr-language", "eng")
            self.assertEqual(done.returncode, 0, done.stderr)
            made.append(cues("tiny.srt"))
        self.assertEqual(made[0][0][0], "00:00:01,000 --> 00:00:02,979")
        self.assertEqual(made[0], made[1])
        self.assertEqual(made[0], made[2])

    def test_of_a_stream_only_the_forced_captions_come_out_when_asked_for(self):
        sup.write("some.sup", SENTENCES[:3], SANS, forced=(1,))
        sup.write("none.sup", SENTENCES[:1], SANS)
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", "some.sup", "-i", "none.sup", "-map", "0", "-map", "1", "-c", "copy",
                        "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=tlh", "forced.mkv"], check=True)
        done = captions("forced.mkv", "--forced-only", "-o", "forced.srt", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([text for _, text in cues("forced.srt")], [SENTENCES[1]])
        row, = json.loads(done.stdout)["Files"]
        self.assertEqual((row["Forced"], row["ForcedCues"], row["Pictures"]), (True, 1, 1))
        done = captions("some.sup", "-o", "all.srt", "--ocr-language", "eng", "--json")
        row, = json.loads(done.stdout)["Files"]
        self.assertEqual((row["Forced"], row["ForcedCues"], row["Cues"]), (False, 1, 3))
        done = captions("none.sup", "--forced-only", "-o", "never.srt")
        self.assertIn("no forced captions", done.stderr)
        self.assertEqual((done.returncode, os.path.exists("never.srt")), (1, False))

    def test_chinese_is_read(self):
        fonts = subprocess.run(["fc-list", ":lang=zh-cn", "family"], stdout=subprocess.PIPE, text=True).stdout.split("\n")
        if not fonts[0] or not has_model("chi_sim"):
            self.skipTest("there is no Chinese font, or no model chi_sim")
        names = sorted(f.split(",")[0] for f in fonts if f)
        font = "WenQuanYi Zen Hei" if "WenQuanYi Zen Hei" in names else names[0]
        made = self.read(CHINESE, {"font": font, "size": 56}, language="zh-CN")
        self.assertLessEqual(errors([text for _, text in made], CHINESE), 0.03, made)

    def test_a_stream_in_a_language_nobody_reads_fails_alone(self):
        sup.write("film.sup", SENTENCES[:2], SANS)
        with open("text.srt", "w", encoding="utf-8") as file:
            file.write("1\n00:00:01,000 --> 00:00:02,000\nText\n")
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", "film.sup", "-i", "text.srt", "-map", "0", "-map", "1", "-map", "0",
                        "-c", "copy", "-metadata:s:s:0", "language=tlh", "-metadata:s:s:2", "language=eng", "three.mkv"],
                       check=True)
        done = captions("three.mkv", "-o", "three.{streamindex}.srt", "--json")
        self.assertEqual(done.returncode, 1)
        rows = json.loads(done.stdout)["Files"]
        self.assertIn("'tlh'", rows[0]["Message"])
        self.assertEqual(cues("three.1.srt")[0][1], "Text")
        self.assertEqual(cues("three.2.srt")[0][1], SENTENCES[0])
        self.assertEqual(rows[2]["Pictures"], 2)
        self.assertEqual(rows[2]["Unread"], 0)
        self.assertGreater(rows[2]["Confidence"], 0.7)

    def test_without_a_language_nothing_is_taken_for_english(self):
        sup.write("film.sup", SENTENCES[:1], SANS)
        done = captions("film.sup", "-o", "never.srt")
        self.assertEqual(done.returncode, 1)
        self.assertIn("what language", done.stderr)
        self.assertFalse(os.path.exists("never.srt"))

    def test_a_damaged_film_gives_what_is_whole(self):
        sup.write("film.sup", SENTENCES, SANS)
        with open("film.sup", "rb") as file:
            whole = bytearray(file.read())
        dice = random.Random(7)
        for _ in range(5):
            damaged = bytearray(whole)
            for _ in range(20):
                damaged[dice.randrange(len(damaged) // 4, len(damaged) // 2)] = dice.randrange(256)
            with open("damaged.sup", "wb") as file:
                file.write(damaged)
            done = captions("damaged.sup", "-o", "damaged.srt", "--ocr-language", "eng")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(cues("damaged.srt")[0][1], SENTENCES[0])


if not has_model("eng"):
    print("skipped: tesseract-ocr-eng is not installed", file=sys.stderr)
    sys.exit(77)
unittest.main(argv=[sys.argv[0]])
