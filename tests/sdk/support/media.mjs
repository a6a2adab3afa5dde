// Media for the tests, made on the spot with the ffmpeg program (tests only), and ffprobe's view of
// what came out.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

// A clip of `seconds` with one video track and a tone per language.
export async function makeClip(file, { seconds = 2, languages = ['zho'], size = '960x540', video = true } = {}) {
  const args = ['-v', 'error', '-y'];
  if (video) args.push('-f', 'lavfi', '-i', `testsrc2=s=${size}:r=25:d=${seconds}`);
  languages.forEach((_, i) => args.push('-f', 'lavfi', '-i', `sine=f=${330 + 110 * i}:r=48000:d=${seconds}`));
  const first = video ? 1 : 0;
  if (video) args.push('-map', '0:v');
  languages.forEach((_, i) => args.push('-map', `${first + i}:a`));
  args.push('-c:v', 'libx264', '-preset', 'ultrafast', '-c:a', 'aac', '-b:a', '64k', '-ac', '2');
  languages.forEach((language, i) => args.push(`-metadata:s:a:${i}`, `language=${language}`));
  await run('ffmpeg', [...args, file]);
}

// A film of `seconds` with a tone and a caption track per entry of `captions`: {language, cues: [[from, to, text]]}.
export async function makeFilm(file, captions, { seconds = 3, size = '320x180' } = {}) {
  const stamp = (s) => new Date(Math.round(s * 1000)).toISOString().slice(11, 23).replace('.', ',');
  const sides = await Promise.all(captions.map(async ({ cues }, i) => {
    const side = `${file}.${i}.srt`;
    await writeFile(side, cues.map(([from, to, text], n) => `${n + 1}\n${stamp(from)} --> ${stamp(to)}\n${text}\n`).join('\n'));
    return side;
  }));
  const args = ['-v', 'error', '-y', '-f', 'lavfi', '-i', `testsrc2=s=${size}:r=25:d=${seconds}`,
    '-f', 'lavfi', '-i', `sine=f=440:r=48000:d=${seconds}`, ...sides.flatMap((side) => ['-i', side]),
    '-map', '0:v', '-map', '1:a', ...sides.flatMap((_, i) => ['-map', `${2 + i}`]),
    '-c:v', 'libx264', '-preset', 'ultrafast', '-c:a', 'aac', '-c:s', file.endsWith('.mp4') ? 'mov_text' : 'srt'];
  captions.forEach(({ language }, i) => args.push(`-metadata:s:s:${i}`, `language=${language}`));
  await run('ffmpeg', [...args, file]);
}

export async function probe(file) {
  const { stdout } = await run('ffprobe', ['-v', 'error', '-of', 'json', '-show_streams', '-show_format', file]);
  const found = JSON.parse(stdout);
  return {
    duration: Number(found.format.duration),
    streams: found.streams.map((s) => ({
      type: s.codec_type, codec: s.codec_name, profile: s.profile, language: s.tags?.language ?? 'und',
      width: s.width, height: s.height, rate: s.sample_rate, channels: s.channels, duration: Number(s.duration),
    })),
  };
}
