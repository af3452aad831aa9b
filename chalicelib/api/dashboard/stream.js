// Plays one rendition of a package: byte ranges of its files, by Media Source Extensions. Files are read with the user's token.
const AHEAD = 20, BEHIND = 30;

async function asset(id, range) {
  const headers = { Authorization: 'Bearer ' + token };
  if (range) headers.Range = 'bytes=' + range.from + '-' + (range.from + range.size - 1);
  let answer;
  try { answer = await fetch(directus + '/assets/' + encodeURIComponent(id), { headers }); } catch (error) {
    throw new Error('Directus cannot be read from this page. Check that it runs, and that CORS_ENABLED and CORS_ORIGIN allow this page');
  }
  if (!answer.ok) throw new Error('Directus answers ' + answer.status + ' for file ' + id);
  return answer;
}
function playlist(text) {
  const range = word => { const [size, from] = word.split('@').map(Number); return { size, from }; };
  const found = { init: null, segments: [] };
  let duration = 0, bytes = null, at = 0;
  for (const line of text.split('\n')) {
    const map = /^#EXT-X-MAP:.*BYTERANGE="([\d@]+)"/.exec(line), length = /^#EXTINF:([\d.]+)/.exec(line), part = /^#EXT-X-BYTERANGE:([\d@]+)/.exec(line);
    if (map) found.init = range(map[1]);
    else if (length) duration = Number(length[1]);
    else if (part) bytes = range(part[1]);
    else if (line && !line.startsWith('#') && bytes) { found.segments.push({ start: at, end: at + duration, ...bytes }); at += duration; bytes = null; }
  }
  return found;
}
// Feeds the tracks into a video element until alive() is false. A track: type, file, list (the id of its playlist).
async function stream(video, tracks, alive) {
  const lists = await Promise.all(tracks.map(async one => playlist(await (await asset(one.list)).text())));
  const source = new MediaSource(), lengths = lists.map(one => one.segments.length ? one.segments[one.segments.length - 1].end : 0);
  if (!alive()) return;
  const url = URL.createObjectURL(source);
  video.src = url;
  await new Promise(done => source.addEventListener('sourceopen', done, { once: true }));
  URL.revokeObjectURL(url);
  if (!alive()) return;
  source.duration = Math.max(...lengths);
  const buffers = tracks.map(one => source.addSourceBuffer(one.type)), held = tracks.map(() => new Set());
  const change = (buffer, act) => new Promise((done, fail) => {
    const end = how => () => { buffer.onupdateend = buffer.onerror = null; how(new Error('The browser cannot play this rendition')); };
    buffer.onupdateend = end(done);
    buffer.onerror = end(fail);
    act();
  });
  const complete = () => lists.every((one, i) => !one.segments.length || held[i].has(one.segments.length - 1));
  async function fill(number) {
    const { init, segments } = lists[number], buffer = buffers[number], file = tracks[number].file, mine = held[number];
    const start = await (await asset(file, init)).arrayBuffer();
    if (alive()) await change(buffer, () => buffer.appendBuffer(start));
    while (alive()) {
      const now = video.currentTime, wanted = segments.findIndex((one, at) => one.end > now && one.start < now + AHEAD && !mine.has(at));
      if (wanted < 0) {
        if (source.readyState === 'open' && complete() && buffers.every(one => !one.updating)) source.endOfStream();
        await new Promise(done => setTimeout(done, 250));
        continue;
      }
      const data = await (await asset(file, segments[wanted])).arrayBuffer();
      if (!alive()) return;
      await change(buffer, () => buffer.appendBuffer(data));
      mine.add(wanted);
      const old = segments.findIndex((one, at) => one.end < now - BEHIND && mine.has(at));
      if (old >= 0 && alive()) {
        await change(buffer, () => buffer.remove(segments[old].start, segments[old].end));
        mine.delete(old);
      }
    }
  }
  await Promise.all(tracks.map((_, number) => fill(number)));
}
