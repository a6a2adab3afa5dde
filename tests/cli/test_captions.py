"""kinora captions: caption files on this machine, without a service; and what it says when it cannot."""
import os
import subprocess
import unittest

import support

SRT = "1\n00:00:01,000 --> 00:00:02,000\n[door]\n<i>Hello</i>\n\n2\n00:00:03,000 --> 00:00:04,000\n[sighs]\n"


class Captions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open("in.srt", "w", encoding="utf-8") as file:
            file.write(SRT)
        with open("zh.srt", "w", encoding="gb18030") as file:
            file.write("1\n00:00:01,000 --> 00:00:02,000\n宇宙守护神\n")
        with open("note.txt", "w", encoding="utf-8") as file:
            file.write("no captions\n")

    def read(self, path):
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()

    def ok(self, *args):
        done = support.run("captions", *args)
        self.assertEqual(done.status, 0, done.err)
        return done

    def refused(self, *args, words=(), status=1):
        done = support.run("captions", *args)
        self.assertEqual(done.status, status, done.err)
        for word in words:
            self.assertIn(word, done.err)

    def test_the_outputs_name_chooses_the_format(self):
        self.assertEqual(self.ok("in.srt", "-o", "a.vtt").out, "a.vtt\n")
        self.assertTrue(self.read("a.vtt").startswith("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n[door]\n<i>Hello</i>\n"))
        self.ok("in.srt", "-o", "a.ass")
        self.assertIn("Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,[door]\\N{\\i1}Hello\n", self.read("a.ass"))

    def test_times_move_and_signs_for_the_deaf_go(self):
        self.ok("in.srt", "-o", "b.srt", "--shift", "1.5", "--scale", "2", "--remove-hearing-impaired", "--line-end", "lf")
        self.assertEqual(self.read("b.srt"), "1\n00:00:03,500 --> 00:00:05,500\n<i>Hello</i>\n\n")

    def test_marks_of_right_to_left_text_are_a_choice(self):
        with open("he.srt", "w", encoding="utf-8") as file:
            file.write("1\n00:00:01,000 --> 00:00:02,000\n\u2026\u05e9\u05dc\n- \u05dc\u05d0\n- no\n")
        self.ok("he.srt", "-o", "he1.srt")
        self.assertNotIn("\u200f", self.read("he1.srt"))
        self.ok("he.srt", "-o", "he2.srt", "--rtl-marks", "on", "--line-end", "lf")
        self.assertIn("\n\u200f\u2026\u05e9\u05dc\n\u200f- \u05dc\u05d0\n- no\n", self.read("he2.srt"))
        self.refused("he.srt", "-o", "he3.srt", "--rtl-marks", "yes", status=2, words=["--rtl-marks"])

    def test_each_language_of_a_sami_file_is_a_stream(self):
        sami = """<SAMI><HEAD><STYLE TYPE="text/css"><!--
            P { margin-left: 8pt; }
            .KRCC { Name:한국어; lang:ko-KR; SAMIType:CC; }   .ENCC {lang: en-US; Name: English}  .JPCC { lang: ja-JP }
            --></STYLE></HEAD><BODY>
            <SYNC Start=1000><P Class=KRCC>안녕<br>하세요
            <P Class="ENCC">Hello &amp; bye
            <SYNC Start=2000><P Class=KRCC>&nbsp;<P class='JPCC'>&nbsp;
            <SYNC Start=2500><P Class=encc>&nbsp;
            <SYNC Start=3000><P>For all</P>
            <SYNC Start=4000><P>&nbsp;
            </BODY></SAMI>"""
        with open("two.smi", "w", encoding="utf-8") as file:
            file.write(sami)
        rows = self.ok("two.smi", "--list", "--json").json["Files"]
        self.assertEqual([(r["StreamIndex"], r["Language"], r["Title"], r["Cues"]) for r in rows],
                         [(0, "ko-KR", "한국어", 2), (1, "en-US", "English", 2)])
        self.ok("two.smi", "--line-end", "lf", "-o", "two.{streamindex}.srt")
        last = "\n\n2\n00:00:03,000 --> 00:00:04,000\nFor all"
        self.assertEqual(self.read("two.0.srt").rstrip("\n"), "1\n00:00:01,000 --> 00:00:02,000\n안녕\n하세요" + last)
        english = "1\n00:00:01,000 --> 00:00:02,500\nHello & bye" + last
        self.assertEqual(self.read("two.1.srt").rstrip("\n"), english)
        self.ok("two.smi", "--stream", "1", "--line-end", "lf", "-o", "one.srt")
        self.assertEqual(self.read("one.srt").rstrip("\n"), english)
        self.refused("two.smi", "-o", "none.srt", words=["has 2 caption streams", "no {streamindex}"])
        self.refused("two.smi", "--stream", "2", "-o", "none.srt", words=["no caption stream of these numbers"])
        with open("wide.smi", "wb") as f:
            f.write(sami.encode("utf-16"))
        self.assertEqual(len(self.ok("wide.smi", "--list", "--json").json["Files"]), 2)

    def test_several_files_into_a_folder(self):
        done = self.ok("in.srt", "zh.srt", "-o", "out/", "--format", "webvtt")
        self.assertEqual(done.out.split(), ["out/in.vtt", "out/zh.vtt"])
        self.assertIn("宇宙守护神", self.read("out/zh.vtt"))

    def test_the_list_says_what_the_files_are(self):
        done = self.ok("in.srt", "zh.srt", "--list", "--json")
        self.assertEqual([(f["Kind"], f["Encoding"], f["Cues"]) for f in done.json["Files"]],
                         [("srt", "UTF-8", 2), ("srt", "GB18030", 1)])

    def test_what_exists_is_not_replaced(self):
        self.ok("in.srt", "-o", "c.vtt")
        self.refused("in.srt", "-o", "c.vtt", words=["'c.vtt' exists already", "--overwrite"])
        self.ok("in.srt", "-o", "c.vtt", "--overwrite")

    def test_a_dash_is_standard_output(self):
        self.assertEqual(self.ok("in.srt", "-o", "-", "--line-end", "lf").out, SRT + "\n")
        self.assertTrue(self.ok("in.srt", "-o", "-", "--format", "webvtt").out.startswith("WEBVTT\n"))
        self.assertFalse(os.path.exists("-"))
        self.refused("in.srt", "zh.srt", "-o", "-", words=["{name}"], status=2)
        self.refused("in.srt", "-o", "-", "--json", words=["standard output"], status=2)
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([support.KINORA, "captions", "in.srt", "-o", "-"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)

    def test_two_files_are_never_written_to_one(self):
        for more in ([], ["--overwrite"]):
            self.refused("in.srt", "./in.srt", "-o", "twice/{name}.vtt", *more,
                         words=["'in.srt' and './in.srt' would both be written to 'twice/in.vtt'"])
            self.assertFalse(os.path.exists("twice"))

    def test_one_file_that_is_none_does_not_keep_the_others(self):
        done = support.run("captions", "note.txt", "in.srt", "-o", "some/{name}.{autoext}")
        self.assertEqual(done.status, 1)
        self.assertIn("note.txt", done.err)
        self.assertEqual(os.listdir("some"), ["in.srt"])

    def test_wrong_usage_is_told(self):
        for args in (["in.srt"], [], ["in.srt", "-o", "x", "--format", "doc"], ["a", "b", "-o", "x.srt"],
                     ["in.srt", "-o", "x", "--shift", "soon"], ["in.srt", "-o", "x", "--scale", "0"]):
            self.refused(*args, status=2, words=["captions"])


if __name__ == "__main__":
    support.main()
