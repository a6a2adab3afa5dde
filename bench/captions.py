"""E1 to E4 and E7: caption tracks out of a long film, beside mkvextract and the ffmpeg program.

The film is noise with a tone (9 Mb/s) and eight SubRip tracks, as Matroska with and without an index of the
captions and as MP4, made once; FILM_MB (1,000, or 100 when QUICK) sets its size. Cold means that the
kernel was told to forget the file; bytes are those that came from the disk, or, where the disk does not
count them (memory file systems), those that were asked for.
"""
import os
import shutil
import subprocess

import measure
from service import KINORA

FILM_MB = int(os.environ.get("FILM_MB", "100" if measure.QUICK else "1000"))
N_TRACKS = 8
CUE_S = 3
FFMPEG = ["ffmpeg", "-v", "error", "-y"]


def clock(seconds):
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"


def write_tracks(folder, seconds):
    for track in range(N_TRACKS):
        with open(f"{folder}/{track}.srt", "w", encoding="utf-8", newline="\n") as f:
            f.write("\n\n".join(f"{i + 1}\n{clock(i * CUE_S)} --> {clock(i * CUE_S + 2.5)}\nLine {i} of track {track},\n"
                                "said in the film" for i in range(seconds // CUE_S)) + "\n")


def make_films(media):
    """Matroska, the same without an index of captions, MP4; and the tracks they were made of."""
    folder = f"{media}/captions-{FILM_MB}"
    films = [f"{folder}/film.mkv", f"{folder}/unindexed.mkv", f"{folder}/film.mp4"]
    if os.path.exists(films[2]):
        return folder, films
    for tool in ("mkvmerge", "mkvextract"):
        if not shutil.which(tool):
            raise measure.Absent(f"{tool} (Debian: mkvtoolnix) is not installed")
    os.makedirs(folder, exist_ok=True)
    seconds = max(20, FILM_MB * 8 // 180 * 20)
    write_tracks(folder, seconds)
    tracks = [f"{folder}/{t}.srt" for t in range(N_TRACKS)]
    base, long = f"{folder}/base.mp4", f"{folder}/long.mkv"
    measure.run(FFMPEG + ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25", "-f", "lavfi", "-i", "sine=r=48000", "-vf",
                          "noise=alls=40:allf=t", "-t", "20", "-c:v", "mpeg4", "-b:v", "9M", "-minrate", "9M", "-maxrate",
                          "9M", "-bufsize", "9M", "-c:a", "aac", "-b:a", "128k", base])
    measure.run(FFMPEG + ["-stream_loop", str(seconds // 20 - 1), "-i", base, "-c", "copy", "-t", str(seconds), long])
    measure.run(["mkvmerge", "-q", "-o", films[0], long] + tracks)
    measure.run(["mkvmerge", "-q", "-o", films[1], "--cues", "-1:none", long] + sum((["--cues", "0:none", t] for t in tracks), []))
    inputs = sum((["-i", t] for t in tracks), [])
    maps = sum((["-map", str(t + 1)] for t in range(N_TRACKS)), [])
    measure.run(FFMPEG + ["-i", long] + inputs + ["-map", "0"] + maps + ["-c", "copy", "-c:s", "mov_text", f"{films[2]}.part.mp4"])
    os.remove(base)
    os.remove(long)
    os.rename(f"{films[2]}.part.mp4", films[2])
    return folder, films


def forget(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def device_mb():
    with open("/proc/self/io", encoding="ascii") as f:
        counts = dict(line.split(": ") for line in f)
    return int(counts["read_bytes"]) / 1e6


def warm(command, folder):
    """Costs of a run whose outputs have new names: throwing away old ones is the file system's work on either side.
    Nothing of the run before waits to be written: ours, which flushes its outputs, would do it for the peer."""
    own = "ours." if command[0] == KINORA else "peer."
    for name in os.listdir(folder):
        if name.startswith(own):
            os.remove(f"{folder}/{name}")
    os.sync()
    return measure.run(command)


def cold(command, folder, film):
    """The same on a forgotten file; `io_mb` is what came from the disk."""
    forget(film)
    before = device_mb()
    cost = warm(command, folder)
    cost.io_mb = device_mb() - before
    return cost


def ours(folder, film):
    return [KINORA, "captions", film, "--overwrite", "--line-end", "lf", "-o", f"{folder}/ours.{{streamindex}}.srt"]


def mkvextract(folder, film):
    return ["mkvextract", "-q", film, "tracks"] + [f"{t + 2}:{folder}/peer.{t}.srt" for t in range(N_TRACKS)]


def ffmpeg(folder, film):
    command = FFMPEG + ["-i", film]
    for t in range(N_TRACKS):
        command += ["-map", f"0:s:{t}", "-f", "srt", f"{folder}/peer.{t}.srt"]
    return command


def check_exact(folder, source, who):
    """Cue text and times are those the film was made of."""
    for t in range(N_TRACKS):
        with open(f"{source}/{t}.srt", encoding="utf-8") as f:
            expected = f.read().strip()
        with open(f"{folder}/{who}.{t}.srt", encoding="utf-8-sig") as f:
            if f.read().replace("\r", "").strip() != expected:
                raise RuntimeError(f"track {t} of {who} is not what the film was made of")


def bench_captions(folder):
    """Eight text tracks out of a long film. Matroska cold, warm, without an index; MP4; first cue."""
    source, (indexed, unindexed, mp4) = make_films(os.path.realpath(f"{folder}/media"))
    size = f"{os.path.getsize(indexed) / 1e6:,.0f} MB film"
    few = max(3, measure.PAIRS // 2)
    a, b = measure.pairs(lambda: cold(ours(folder, indexed), folder, indexed),
                         lambda: cold(mkvextract(folder, indexed), folder, indexed), few)
    check_exact(folder, source, "ours")
    check_exact(folder, source, "peer")
    measure.limit_row("E1", f"8 tracks of a {size}, cold: read from disk", max(measure.values(a, "io_mb")), "MB",
                      100, f"{measure.values(b, 'io_mb')[0]:,.0f} MB",
                      "index, heads of clusters, a page for each place with captions")
    measure.ratio_row("E1", "the same: wall / mkvextract", a, b, "wall_s", "s", 1.0, bound="the disk's answers, 64 asked at once")
    a, b = measure.pairs(lambda: warm(ours(folder, indexed), folder), lambda: warm(mkvextract(folder, indexed), folder))
    measure.ratio_row("E2", "the same, warm: wall / mkvextract", a, b, "wall_s", "ms", 1 / 9, scale=1000, digits=0,
                      bound="reading most, then writing and flushing; starting 3 ms")
    measure.limit_row("E7", "first cue on disk", min(measure.values(a, "wall_s")) * 1000, "ms", 100,
                      "ffmpeg: at its end", "all tracks appear together, complete", digits=0)
    a, b = measure.pairs(lambda: warm(ours(folder, unindexed), folder), lambda: warm(mkvextract(folder, unindexed), folder), few)
    check_exact(folder, source, "ours")
    measure.ratio_row("E2", "no index, warm: wall / mkvextract", a, b, "wall_s", "ms", 1.0, scale=1000, digits=0,
                      bound="a system call for each block's head")
    a, b = measure.pairs(lambda: cold(ours(folder, mp4), folder, mp4), lambda: cold(ffmpeg(folder, mp4), folder, mp4), few)
    check_exact(folder, source, "ours")
    measure.limit_row("E3", "8 tracks of the same film in MP4, cold: from disk", max(measure.values(a, "io_mb")), "MB", 60,
                      f"{measure.values(b, 'io_mb')[0]:,.0f} MB", "tables of the caption tracks, a page for each sample")
    a, b = measure.pairs(lambda: warm(ours(folder, mp4), folder), lambda: warm(ffmpeg(folder, mp4), folder))
    measure.ratio_row("E3", "the same, warm: wall / ffmpeg", a, b, "wall_s", "ms", 1 / 9, scale=1000, digits=0,
                      bound="reading, and an fsync of each output that ffmpeg does not make")
    measure.row("E4", "cue text and times of all the above", f"{N_TRACKS} tracks identical", "identical", "", "identical", True,
                "every line of SubRip compared with what the film was made of")
