"""Tiny films and sounds, made by the ffmpeg program; and what ffprobe sees in an output."""
import json
import subprocess


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *args], check=True, timeout=60)


def film(path, seconds=1, size="64x36"):
    """A test picture with one tone."""
    ffmpeg("-f", "lavfi", "-i", f"testsrc=size={size}:rate=10:duration={seconds}", "-f", "lavfi", "-i",
           f"sine=440:duration={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt",
           "yuv420p", "-c:a", "aac", "-shortest", path)


def sound(path, seconds=1, frequency=660):
    ffmpeg("-f", "lavfi", "-i", f"sine={frequency}:duration={seconds}", path)


def tracks(path):
    """[(kind, codec, language)] of a file."""
    said = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_streams", path], check=True,
                          stdout=subprocess.PIPE, timeout=60).stdout
    return [(s["codec_type"], s["codec_name"], s.get("tags", {}).get("language", "und"))
            for s in json.loads(said)["streams"]]
