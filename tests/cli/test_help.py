"""What every command says of itself: --help, suggestions, completion, manual pages."""
import glob
import os
import shutil
import subprocess
import unittest

import support

COMMANDS = [line.split()[0] for line in support.run("--help").out.splitlines()
            if line.startswith("  ")]


class Help(unittest.TestCase):
    def test_every_command_has_help_with_an_example(self):
        self.assertGreater(len(COMMANDS), 10)
        for command in COMMANDS:
            with self.subTest(command):
                said = support.run(command, "--help")
                self.assertEqual((said.status, said.err), (0, ""))
                self.assertTrue(said.out.startswith(f"usage: kinora {command}"), said.out)
                self.assertIn(f"\nexamples\n  kinora {command}".replace("  kinora completion", "  "),
                              said.out)
                self.assertLessEqual(max(map(len, said.out.splitlines())), 100)

    def test_wrong_usage_is_status_2_and_names_what_is_near(self):
        for args, near in ((["conver"], "'convert'"), (["jobs", "lst"], "'list'"),
                           (["jobs", "list", "--limt", "3"], "'--limit'")):
            said = support.run(*args)
            self.assertEqual(said.status, 2)
            self.assertIn(near, said.err)
            self.assertIn("--help", said.err)
        self.assertEqual(support.run().status, 2)

    def test_the_version_is_told(self):
        self.assertRegex(support.run("--version").out, r"^kinora \d+\.\d+\.\d+\n$")


class Completion(unittest.TestCase):
    def complete(self, *words):
        """What bash offers for the last of the words."""
        script = support.run("completion", "bash").out
        quoted = " ".join(f"'{w}'" for w in (support.KINORA, *words))
        script += (f"\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _kinora {support.KINORA}\n"
                   "printf '%s\\n' \"${COMPREPLY[@]}\"\n")
        return subprocess.run(["bash", "-c", script], text=True, check=True, timeout=60,
                              stdout=subprocess.PIPE).stdout.split()

    def test_bash_completes_commands_verbs_options_and_values(self):
        self.assertEqual(self.complete("conv"), ["convert"])
        self.assertEqual(self.complete("jobs", "re"), ["retry"])
        self.assertIn("watch", self.complete("jobs", ""))
        self.assertIn("--list-templates", self.complete("convert", "--li"))
        self.assertIn("Video-360P", self.complete("convert", "--template", "Video-3"))
        self.assertEqual(self.complete("keys", "create", "--role", "read"), ["read-only"])
        self.assertEqual(self.complete("completion", "z"), ["zsh"])

    def test_zsh_can_read_its_script(self):
        zsh = shutil.which("zsh")
        if not zsh:
            self.skipTest("needs zsh")
        subprocess.run([zsh, "-n"], input=support.run("completion", "zsh").out, text=True, check=True)


class Manual(unittest.TestCase):
    def test_every_command_has_a_page_that_formats_without_a_warning(self):
        pages = glob.glob(os.path.join(os.path.dirname(support.KINORA), "man", "*.1"))
        self.assertEqual(sorted(map(os.path.basename, pages)),
                         sorted(["kinora.1"] + [f"kinora-{c}.1" for c in COMMANDS]))
        groff = shutil.which("groff")
        if not groff:
            self.skipTest("needs groff")
        for page in pages:
            said = subprocess.run([groff, "-man", "-ww", "-z", "-K", "utf8", "-Tutf8", page], text=True,
                                  stderr=subprocess.PIPE, stdout=subprocess.PIPE)
            self.assertEqual((said.returncode, said.stderr), (0, ""))


if __name__ == "__main__":
    support.main()
