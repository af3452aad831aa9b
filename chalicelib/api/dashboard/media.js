// What a job made: player, ladder, quality, pictures and captions. It has a section of its own, which the rounds do not draw again.
const WORDS_MAX = 50000;
let shownMedia = { id: null, turn: 0 };
const PLAYED = /^(video\/(mp4|webm|quicktime|x-matroska)|audio\/)/;

function outputsOf(found) { return found.result && Array.isArray(found.result.outputs) ? found.result.outputs.filter(one => one && one.file_id) : []; }
function isPackage(found) { return found.operation === 'transcoding' && found.result && Array.isArray(found.result.renditions); }
function hasMedia(found) { return !!directus && found.state === 'completed' && outputsOf(found).length > 0; }
function problem(text) { if ($('media-problem')) tell('media-problem', text); }
function closeMedia() {
  shownMedia = { id: null, turn: shownMedia.turn + 1 };
  $('media').replaceChildren();
  $('media').hidden = true;
}
function tokened(id) { return directus + '/assets/' + encodeURIComponent(id) + '?access_token=' + encodeURIComponent(token); }
function bytes(size) { return size >= 1e9 ? (size / 1e9).toFixed(2) + ' GB' : size >= 1e6 ? (size / 1e6).toFixed(1) + ' MB' : Math.max(1, Math.round(size / 1e3)) + ' kB'; }
function rate(bits) { return bits >= 1e6 ? (bits / 1e6).toFixed(2) + ' Mbit/s' : Math.round(bits / 1e3) + ' kbit/s'; }

function showMedia(found) {
  if (shownMedia.id === found.jobId || edited.id) return;
  closeMedia();
  shownMedia.id = found.jobId;
  const result = found.result, outputs = outputsOf(found), main = outputs[0];
  const parts = [];
  if (isPackage(found) || PLAYED.test(main.type || '')) parts.push(sideBySide(found, result, outputs));
  if (isPackage(found) && result.renditions.length) parts.push(...ladder(result));
  const measured = isPackage(found) ? result.renditions.find(one => one.quality) : result;
  if (measured && measured.quality && Array.isArray(measured.quality.curve)) parts.push(...curve(measured.quality, measured.name));
  const pictures = outputs.slice(1).filter(one => /^image\//.test(one.type)).slice(0, 24);  // the first has its preview above
  if (pictures.length) parts.push(make('h3', {}, pictures.length === 1 ? 'Picture' : 'Pictures'), gallery(pictures));
  const words = found.operation === 'caption_generation' ? outputs.find(one => /^text\//.test(one.type)) : null;
  if (words) parts.push(make('pre', { id: 'words', tabindex: '0', 'aria-label': 'Text of ' + words.name }));
  if (!parts.length) return;
  $('media').replaceChildren(make('div', { class: 'bar' }, make('h2', { id: 'media-title', class: 'grow' }, 'Output')), make('p', { id: 'media-problem', class: 'problem', role: 'status' }), ...parts);
  $('media').hidden = false;
  if (isPackage(found)) playPackage(result, outputs);
  if (words) asset(words.file_id).then(answer => answer.text()).then(text => { $('words').textContent = text.slice(0, WORDS_MAX); }).catch(error => problem(error.message));
}
function sideBySide(found, result, outputs) {
  const was = result.input || {}, size = of => of.width ? of.width + ' x ' + of.height : null;
  const rows = [['Container', was.container, result.format || result.container], ['Picture', was.video_codec, result.video_codec], ['Size', size(was), size(result)],
    ['Frames a second', was.fps, result.fps], ['Sound', was.audio_codec, result.audio_codec], ['Channels', was.channels, result.channels],
    ['Duration', result.input_duration && result.input_duration + ' s', result.duration && result.duration + ' s'], ['Bytes', result.input_bytes && bytes(result.input_bytes), result.bytes && bytes(result.bytes)],
    ['VMAF', null, result.quality && result.quality.vmaf.mean.toFixed(1) + ' (lowest ' + result.quality.vmaf.lowest.toFixed(1) + ')'],
    ['SSIM', null, result.quality && result.quality.ssim.toFixed(4)], ['Crf for the target', null, result.target_vmaf && result.target_vmaf.crf]];
  const film = (id, label, src) => make('figure', {}, make('video', { id, controls: '', playsinline: '', preload: 'metadata', src, 'aria-label': label, onerror: () => problem('The browser cannot play the ' + label.toLowerCase() + '.') }), make('figcaption', { class: 'soft' }, label));
  const kinds = isPackage(found) ? qualities(result) : null;
  return make('div', {}, make('div', { class: 'films' },
      found.input_file_id ? film('input-player', 'Input', tokened(found.input_file_id)) : null, film('output-player', 'Output', isPackage(found) ? null : tokened(outputs[0].file_id))),
    kinds, make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Input and output' }, make('table', {}, make('thead', {}, make('tr', {}, ...['Figure', 'Input', 'Output'].map(word => make('th', { scope: 'col' }, word)))),
      make('tbody', {}, ...rows.filter(([, a, b]) => a || b).map(([name, a, b]) => make('tr', {}, make('th', { scope: 'row' }, name), make('td', {}, a || ''), make('td', {}, b || '')))))));
}
function qualities(result) {
  const pick = (id, label, items) => items.length > 1 ? make('label', {}, label, make('select', { id }, ...items.map(([value, text]) => make('option', { value }, text)))) : null;
  return make('div', { class: 'bar' },
    pick('rendition', 'Rendition', result.renditions.map(one => [one.name, one.width + ' x ' + one.height + ' ' + one.codec])),
    pick('sound', 'Sound', (result.sounds || []).map(one => [one.name, one.language || one.name])),
    (result.captions || []).length ? pick('subtitle', 'Captions', [['', 'none'], ...result.captions.map(one => [one.language, one.language])]) : null);
}
function playPackage(result, outputs) {
  const video = $('output-player'), id = name => (outputs.find(one => one.name === name) || {}).file_id;
  async function start() {
    const mine = ++shownMedia.turn, alive = () => mine === shownMedia.turn, failed = text => { if (alive()) problem(text); };
    const at = video.currentTime, playing = !video.paused;
    const picture = result.renditions.find(one => one.name === ($('rendition') || {}).value) || result.renditions[0];
    const sound = (result.sounds || []).find(one => one.name === ($('sound') || {}).value) || (result.sounds || [])[0];
    const tracks = [picture && { type: 'video/mp4; codecs="' + picture.codecs + '"', name: picture.name }, sound && { type: 'audio/mp4; codecs="mp4a.40.2"', name: sound.name }]
      .filter(Boolean).map(one => ({ ...one, file: id(one.name + '.mp4'), list: id(one.name + '.m3u8') }));
    const odd = tracks.find(one => !window.MediaSource || !MediaSource.isTypeSupported(one.type));
    if (odd) { failed('This browser cannot play ' + odd.type); return; }
    problem('');
    video.addEventListener('loadedmetadata', () => {
      if (!alive()) return;
      video.currentTime = at;
      if (playing) video.play().catch(() => null);
    }, { once: true });
    try { await stream(video, tracks, alive); } catch (error) { failed(error.message); }
  }
  async function caption() {
    for (const track of video.textTracks) track.mode = 'disabled';
    const language = $('subtitle').value, ready = [...video.textTracks].find(track => track.language === language);
    if (ready || !language) { if (ready) ready.mode = 'showing'; return; }
    try {
      const text = await (await asset(id('captions-' + language + '.vtt'))).text(), track = video.addTextTrack('captions', language, language);
      for (const block of text.split('\n\n')) {
        const times = /^([\d:.]+) --> ([\d:.]+)\n([\s\S]*)$/.exec(block.trim());
        if (times) track.addCue(new VTTCue(unstamp(times[1]), unstamp(times[2]), times[3]));
      }
      track.mode = 'showing';
    } catch (error) { problem(error.message); }
  }
  for (const name of ['rendition', 'sound']) if ($(name)) $(name).addEventListener('change', start);
  if ($('subtitle')) $('subtitle').addEventListener('change', caption);
  start();
}
function ladder(result) {
  const head = ['Rendition', 'Size', 'Frames', 'Bit rate', 'Peak', 'Bytes', 'Crf', 'VMAF'];
  const cells = one => [one.width + ' x ' + one.height, one.fps, rate(one.bitrate), rate(one.peak_bitrate), bytes(one.bytes), one.crf ?? '', one.quality ? one.quality.vmaf.mean.toFixed(1) : one.target_vmaf ? one.target_vmaf.reached.toFixed(1) : ''];
  return [make('h3', {}, 'Ladder'), make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Ladder' }, make('table', { id: 'ladder' },
    make('thead', {}, make('tr', {}, ...head.map(word => make('th', { scope: 'col' }, word)))),
    make('tbody', {}, ...result.renditions.map(one => make('tr', {}, make('th', { scope: 'row' }, one.name), ...cells(one).map(value => make('td', {}, value)))))))];
}
function curve(quality, name) {
  const points = quality.curve.filter(one => Array.isArray(one) && one.length === 2), last = points.length ? points[points.length - 1][0] || 1 : 1;
  const floor = Math.min(90, Math.floor(quality.vmaf.lowest / 10) * 10), svg = (tag, attributes) => { const one = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value); return one; };
  const chart = svg('svg', { class: 'plot', viewBox: '0 0 100 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': 'VMAF over time: mean ' + quality.vmaf.mean.toFixed(1) + ', lowest ' + quality.vmaf.lowest.toFixed(1) });
  for (const y of [0, 50, 100]) chart.append(svg('line', { x1: 0, x2: 100, y1: y, y2: y }));
  chart.append(svg('path', { class: 'a', d: points.map(([at, vmaf], i) => (i ? 'L' : 'M') + (100 * at / last).toFixed(2) + ' ' + (100 * (100 - vmaf) / (100 - floor)).toFixed(2)).join(' ') }));
  return [make('h3', {}, 'VMAF over time' + (name ? ', ' + name : '')), make('div', { id: 'curve' }, chart), make('p', { class: 'soft' }, floor + ' to 100 over ' + last + ' s; ' + quality.frames + ' frames looked at, model ' + quality.model)];
}
function gallery(pictures) {
  const box = make('div', { class: 'gallery' });
  for (const one of pictures) {
    const image = make('img', { alt: one.name });
    box.append(make('figure', {}, image, make('figcaption', { class: 'soft' }, one.name + ', ' + bytes(one.bytes))));
    asset(one.file_id).then(answer => answer.blob()).then(blob => { image.src = URL.createObjectURL(blob); }).catch(error => problem(error.message));
  }
  return box;
}
