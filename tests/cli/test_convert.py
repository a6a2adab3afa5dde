"""kinora convert: films on this machine, without a service; and what it says when it cannot."""
import os
import signal
import subprocess
import time
import unittest

import support
from media import ffmpeg, film, tracks


class Convert(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        film("in.mp4", 2)
        ffmpeg("-f", "lavfi", "-i", "sine=300:duration=2", "-c:a", "aac", "en.m4a")
        ffmpeg("-f", "lavfi", "-i", "sine=500:duration=2", "-c:a", "libvorbis", "ja.mka")

    def ok(self, *args):
        done = support.run("convert", *args)
        self.assertEqual(done.status, 0, done.err)
        return done

    def refused(self, *args, words=(), status=1):
        done = support.run("convert", *args)
        self.assertEqual(done.status, status, done.err)
        self.assertTrue(done.err.startswith("kinora: "), done.err)
        for word in words:
            self.assertIn(word, done.err)
        return done

    def test_two_renditions_with_three_languages(self):
        done = self.ok("in.mp4", "--audio", "eng=en.m4a", "--audio", "jpn=ja.mka", "--template",
                       "Video-360P", "--template", "Video-720P", "-o", "two/")
        self.assertEqual(done.out.split(), ["two/in-Video-360P.mp4", "two/in-Video-720P.mp4"])
        for path in done.out.split():
            self.assertEqual([t[2] for t in tracks(path) if t[0] == "audio"], ["und", "eng", "jpn"])

    def test_the_films_own_sound_is_left_out(self):
        self.ok("in.mp4", "--audio", "eng=en.m4a", "--drop-original", "--template", "Video-360P", "-o",
                "dropped.mp4")
        self.assertEqual([t[2] for t in tracks("dropped.mp4") if t[0] == "audio"], ["eng"])

    def test_the_name_of_a_single_output_chooses_the_container(self):
        self.ok("in.mp4", "--template", "Video-360P", "-o", "named.mkv")
        self.assertIn("video", [t[0] for t in tracks("named.mkv")])
        self.ok("in.mp4", "--template", "MP3-320K", "-o", "sounds/")
        self.assertEqual(os.listdir("sounds"), ["in-MP3-320K.mp3"])

    def test_the_result_is_json_when_asked(self):
        done = self.ok("in.mp4", "--template", "Video-360P", "-o", "asked.mp4", "--json")
        self.assertEqual(done.json["Outputs"][0]["Uri"], "asked.mp4")

    def test_nothing_is_replaced_unasked(self):
        self.ok("in.mp4", "--template", "Video-360P", "-o", "kept.mp4")
        with open("kept.mp4", "wb") as file:
            file.write(b"precious")
        self.refused("in.mp4", "--template", "Video-360P", "-o", "kept.mp4",
                     words=["kept.mp4", "--overwrite"])
        with open("kept.mp4", "rb") as file:
            self.assertEqual(file.read(), b"precious")
        self.ok("in.mp4", "--template", "Video-360P", "-o", "kept.mp4", "--overwrite")
        self.assertTrue(tracks("kept.mp4"))

    def test_an_unknown_template_is_answered_with_those_near(self):
        self.refused("in.mp4", "--template", "video-36p", "-o", "x/",
                     words=["video-36p", "'Video-360P'", "--list-templates"])
        self.assertIn("Video-360P", self.ok("--list-templates").out)
        self.assertIn("Video-360P", [t["Name"] for t in self.ok("--list-templates", "--json").json])

    def test_what_is_missing_is_named(self):
        self.refused("absent.mp4", "--template", "Video-360P", "-o", "x/", words=["absent.mp4"])
        self.refused("in.mp4", "--audio", "eng=absent.m4a", "--template", "Video-360P", "-o", "x/",
                     words=["absent.m4a"])
        self.refused("--job", "absent.json", words=["absent.json"])
        self.refused("in.mp4", "--template", "Video-360P", words=["-o"], status=2)
        self.refused("in.mp4", "-o", "x/", words=["--template", "--list-templates"], status=2)
        self.refused(words=["film"], status=2)
        self.refused("in.mp4", "--audio", "english=en.m4a", "--template", "Video-360P", "-o", "x/",
                     words=["english", "eng"], status=2)
        self.refused("in.mp4", "--template", "Video-360P", "--template", "Video-720P", "-o", "x",
                     words=["x/"], status=2)
        self.assertFalse(os.path.exists("x"))

    def test_a_file_that_is_no_film_fails_and_leaves_nothing(self):
        with open("noise.mp4", "wb") as file:
            file.write(os.urandom(100_000))
        self.refused("noise.mp4", "--template", "Video-360P", "-o", "noise/", words=["noise.mp4"])
        self.assertFalse(os.path.exists("noise"))

    def test_ctrl_c_leaves_nothing(self):
        film("long.mp4", 60, "320x180")
        going = subprocess.Popen([support.KINORA, "convert", "long.mp4", "--template", "Video-1080P",
                                  "-o", "stopped/"], env=support.ENV, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        going.send_signal(signal.SIGINT)
        _, said = going.communicate(timeout=60)
        if going.returncode == 0:
            return  # it was done before the signal came
        self.assertEqual(going.returncode, 1, said)
        self.assertFalse(os.path.exists("stopped"), said)

    def test_a_terminal_gets_a_bar_and_a_file_gets_lines(self):
        film("slow.mp4", 20, "640x360")
        here, there = os.openpty()
        going = subprocess.Popen([support.KINORA, "convert", "slow.mp4", "--template", "Video-1080P",
                                  "-o", "bar.mp4"], env=support.ENV, stdout=subprocess.PIPE, stderr=there)
        os.close(there)
        seen = b""
        while True:
            try:
                got = os.read(here, 4096)
            except OSError:  # the other end is closed
                break
            seen += got
        os.close(here)
        going.communicate(timeout=60)
        lines = support.run("convert", "slow.mp4", "--template", "Video-1080P", "-o", "lines.mp4").err
        self.assertNotIn("\r", lines)
        if seen:  # work under a second shows none
            self.assertIn(b"\rconverting [", seen)
            self.assertIn(b"100 %", seen)

    def test_a_job_file_says_it_all(self):
        with open("job.json", "w", encoding="utf-8") as file:
            file.write('{"Inputs": [{"InputFile": {"Type": "OSS", "Url": "in.mp4"}}], "Outputs": [{'
                       '"OutputFile": {"Type": "OSS", "Url": "by-job.mp4"}, "TemplateId": "Video-360P"}]}')
        self.assertEqual(self.ok("--job", "job.json").out.split(), ["by-job.mp4"])
        self.refused("in.mp4", "--job", "job.json", words=["--job"], status=2)


if __name__ == "__main__":
    support.main()
