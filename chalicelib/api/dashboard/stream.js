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
// Feeds the tracks into a video element; returns a function that ends it. A track: type, file, list (the id of its playlist).
async function stream(video, tracks, failed) {
  const lists = await Promise.all(tracks.map(async one => playlist(await (await asset(one.list)).text())));
  const source = new MediaSource(), url = URL.createObjectURL(source);
  let ended = false;
  video.src = url;
  await new Promise(done => source.addEventListener('sourceopen', done, { once: true }));
  source.duration = Math.max(...lists.map(one => one.segments.length ? one.segments[one.segments.length - 1].end : 0));
  const buffers = tracks.map(one => source.addSourceBuffer(one.type));
  const change = (buffer, act) => new Promise((done, fail) => {
    buffer.addEventListener('updateend', done, { once: true });
    buffer.addEventListener('error', () => fail(new Error('The browser cannot play this rendition')), { once: true });
    act();
  });
  const covered = (buffer, at) => { for (let i = 0; i < buffer.buffered.length; i++) if (buffer.buffered.start(i) <= at + 0.1 && at < buffer.buffered.end(i) - 0.1) return buffer.buffered.end(i); return 0; };
  async function fill(number) {
    const { init, segments } = lists[number], buffer = buffers[number], file = tracks[number].file;
    await change(buffer, async () => buffer.appendBuffer(await (await asset(file, init)).arrayBuffer()));
    while (!ended) {
      const now = video.currentTime, reached = covered(buffer, now), wanted = reached || now;
      const next = segments.find(one => one.start <= wanted + 0.15 && wanted + 0.15 < one.end) || (reached ? null : segments[segments.length - 1]);
      if (next && wanted - now < AHEAD && source.readyState !== 'closed') {
        const data = await (await asset(file, next)).arrayBuffer();
        if (ended) return;
        await change(buffer, () => buffer.appendBuffer(data));
        if (now > BEHIND * 2 && !buffer.updating) await change(buffer, () => buffer.remove(0, now - BEHIND));
      } else await new Promise(done => setTimeout(done, 250));
      if (source.readyState === 'open' && buffers.every((one, i) => !one.updating && covered(one, Math.max(0, lists[i].segments[lists[i].segments.length - 1].end - 0.3)))) source.endOfStream();
    }
  }
  for (const number of tracks.keys()) fill(number).catch(error => { if (!ended) failed(error.message); });
  return () => { ended = true; URL.revokeObjectURL(url); };
}
