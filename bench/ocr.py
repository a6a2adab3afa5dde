"""E5: captions made of pictures, read: processor time for each, and how much is misread, beside pgsrip.

The films are drawn here (tests/support/sup.py): text that is the same on every machine, in looks from plain to
hard. pgsrip is not in Debian: a folder of PEERS holds it as pgsrip/, with the Python packages it needs that Debian
has not beside it (cleanit, trakit, pytesseract), or it is installed. Where it is not here, its figures are those it
was once measured at with other text (34 ms a caption, 0.0004 of the characters wrong; 27 ms and 0.0001 in italics).
Both sides read with one thread a network.
"""
import os
import random
import subprocess
import sys

import measure
from service import KINORA

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../tests/support"))
import sup  # noqa: E402
from edit_distance import distance  # noqa: E402

N_CUES = 30 if measure.QUICK else 100
LOOKS = {
    "sans": ({"font": "Noto Sans", "size": 54}, (255, 255, 255), 34, 0.0004),
    "serif italic": ({"font": "Noto Serif", "size": 54, "italic": 1}, (255, 255, 255), 27, 0.0001),
    "thin outline": ({"font": "Noto Sans", "size": 44, "outline": 1}, (255, 255, 255), 34, 0.01),
    "yellow, small": ({"font": "Noto Sans", "size": 32, "outline": 2}, (255, 220, 0), 34, 0.01),
    "Chinese": ({"font": "WenQuanYi Zen Hei", "size": 54}, (255, 255, 255), 34, 0.01),
}
TESSDATA = "/usr/share/tesseract-ocr/5/tessdata"
SHARE = 0.7  # of pgsrip's processor time that we may take
WHO = ["I", "The old man", "My sister", "Nobody here", "Your friend William", "The captain", "She", "Illinois"]
DOES = ["will tell you", "cannot believe", "has never seen", "always knew", "did not mention", "is looking for", "forgot"]
WHAT = ["what happened", "the little house", "all of it", "a yellow umbrella", "the last train", "anything like this",
        "how to get there", "their names"]
ENDS = ["in the middle of the night.", "before the war.", "on the other side of the river.", "again!", "at 10 o'clock.",
        "since I was a child.", "until now?", "without any help."]
CHINESE = [["我的朋友", "那个老人", "船长", "她妹妹", "这里的每个人", "你们的老师"], ["昨天晚上", "一直", "终于", "从来没有", "好像"],
           ["告诉我们", "听说过", "找到了", "想知道", "忘记了", "相信"], ["发生了什么事。", "河边的小房子。", "最后一班火车！", "他们的名字？",
                                                   "怎么回家。", "战争以前的生活。"]]


def sentences():
    dice = random.Random(5)
    return [f"{dice.choice(WHO)} {dice.choice(DOES)}\n{dice.choice(WHAT)} {dice.choice(ENDS)}" for _ in range(N_CUES)]


def chinese_sentences():
    dice = random.Random(5)
    return ["{}{}\n{}{}".format(*map(dice.choice, CHINESE)) for _ in range(N_CUES)]


def texts_of(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        blocks = file.read().replace("\r\n", "\n").strip("\n").split("\n\n")
    return ["\n".join(block.split("\n")[2:]).replace("<i>", "").replace("</i>", "").replace("\u2019", "'") for block in blocks]


def wrong(path, texts, is_spaced):
    """Characters misread, in parts of all; blanks count where a script has them."""
    found = texts_of(path)
    if len(found) != len(texts):
        raise RuntimeError(f"{len(found)} captions of {len(texts)} in '{path}'")
    if not is_spaced:
        found = [text.replace(" ", "") for text in found]
    return sum(map(distance, found, texts)) / sum(map(len, texts))


def models(folder):
    """Tesseract's models, Chinese also under the name that pgsrip asks for."""
    made = f"{folder}/tessdata"
    if not os.path.isdir(made):
        os.makedirs(made)
        for name in os.listdir(TESSDATA):
            os.symlink(f"{TESSDATA}/{name}", f"{made}/{name}")
        os.symlink(f"{TESSDATA}/chi_sim.traineddata", f"{made}/zho.traineddata")
    return made


def pgsrip():
    """(command, environment) that run it; None when it is not here."""
    for folder in [f"{peers}/pgsrip" for peers in os.environ.get("PEERS", "").split(":") if peers] + [""]:
        env = dict(os.environ, OMP_THREAD_LIMIT="1", PYTHONPATH=folder)
        for python in (sys.executable, "/usr/bin/python3"):
            if subprocess.run([python, "-m", "pgsrip", "--version"], env=env, capture_output=True, check=False).returncode == 0:
                return [python, "-m", "pgsrip"], env
    return None


def bench_e5(folder):
    """PGS captions to SubRip. CPU for each and errors, in five looks."""
    peer = pgsrip()
    for look, (style, colour, peer_ms, bar) in LOOKS.items():
        name, is_spaced = look.split(",")[0].replace(" ", "-"), look != "Chinese"
        texts, language, model = (sentences(), "en", "eng") if is_spaced else (chinese_sentences(), "zh", "chi_sim")
        film, made = f"{folder}/{name}.{language}.sup", f"{folder}/{name}.srt"
        sup.write(film, texts, style, folder=folder, colour=colour)

        def ours():
            return measure.run([KINORA, "captions", film, "-o", made, "--ocr-language", model, "--overwrite"]).cpu_s

        def theirs():
            return measure.run(peer[0] + ["--language", language, "--force", film],
                               env=dict(peer[1], TESSDATA_PREFIX=models(folder))).cpu_s

        if peer:
            a, b = measure.pairs(ours, theirs, max(3, measure.PAIRS // 2))
            peer_ms, bar = sorted(b)[len(b) // 2] / N_CUES * 1000, wrong(film[:-4] + ".srt", texts, is_spaced)
        else:
            a = [ours() for _ in range(3)]
        ms, share = sorted(a)[len(a) // 2] / N_CUES * 1000, wrong(made, texts, is_spaced)
        said = f"{peer_ms:.0f} ms" + ("" if peer else " (absent)")
        measure.limit_row("E5", f"PGS, {look}: CPU a caption of two lines", ms, "ms", SHARE * peer_ms, said,
                          "Tesseract's network, once a line")
        measure.row("E5", f"the same: characters misread of {sum(map(len, texts)):,}", f"{share:.4f}", "", "",
                    f"≤ {bar:.4f}", share <= bar, "")
