// A new job: a file, what would become of it, its upload, and the job.
const SUBMITTED = OPERATIONS.filter(name => name !== 'download');
const TRIES = 8;
const fresh = file => ({ file, facts: null, accepted: null, fileId: null, tus: null, record: null });
let offer = fresh(null), quotes = 0, uploading = null;

function wanted() {
  const given = $('new-params').value.trim();
  let params = {};
  try { params = given ? JSON.parse(given) : {}; } catch { throw new Refused('Parameters must be JSON, such as {"resolution": "720p"}'); }
  const preset = $('new-operation').value === 'transcoding' && $('new-preset').value;
  return { operation: $('new-operation').value, params: preset ? { preset, ...params } : params };
}
// What the browser knows of a film without uploading it
function describe(file) {
  const known = { size: file.size }, film = document.createElement('video'), src = URL.createObjectURL(file);
  return new Promise(done => {
    const ready = () => { URL.revokeObjectURL(src); done(known); };
    film.addEventListener('error', ready);
    film.addEventListener('loadedmetadata', () => {
      if (isFinite(film.duration) && film.duration) known.duration = film.duration;
      if (film.videoWidth) known.resolution = film.videoWidth + 'x' + film.videoHeight;
      ready();
    });
    setTimeout(ready, 5000);
    film.preload = 'metadata';
    film.src = src;
  });
}
async function choose(file) {
  if (!file || uploading) return;
  const mine = offer = fresh(file);
  mine.facts = await describe(file);
  if (mine === offer) await quote();
}
async function quote() {
  const mine = offer, turn = ++quotes;
  $('new-preset').parentNode.hidden = $('new-operation').value !== 'transcoding';
  if (uploading) return;
  if (!mine.facts) { $('submit').disabled = true; return; }
  let accepted = null, refused = true, lines;
  try {
    const body = wanted(), answer = await call('/media/quote', 'POST', { body: { ...body, input: mine.facts } });
    if (answer.accepted) accepted = JSON.stringify(body);
    refused = !accepted;
    lines = accepted ? sayQuote(answer) : [answer.refusal.message || answer.refusal.error];
  } catch (error) {
    if (error instanceof Outdated) return;
    refused = error instanceof Refused;  // else one may ask again
    lines = [error.message];
  }
  if (turn !== quotes || mine !== offer || uploading) return;
  mine.accepted = accepted;
  $('submit').disabled = refused;
  quoted(lines, !accepted);
}
function quoted(lines, bad) {
  $('quote').className = bad ? 'notice away' : 'soft';
  const known = offer.facts ? [offer.file.name, bytes(offer.file.size), offer.facts.duration && figure(offer.facts.duration) + ' s', offer.facts.resolution].filter(Boolean).join(', ') : '';
  $('quote').replaceChildren(...[known, ...lines].filter(Boolean).map(line => make('div', {}, line)));
}
function sayQuote({ pool, position, paused, ends_at: ends, ends_between: between, seconds, usd, output_bytes: size, plan }) {
  const hour = iso => new Date(iso).toLocaleTimeString();
  return ['Accepted: position ' + position + ' in the pool ' + pool + (paused ? ', which is paused' : ''),
    ends ? 'Done at about ' + hour(ends) + (between ? ', between ' + hour(between[0]) + ' and ' + hour(between[1]) : '') : 'Nobody knows when it starts',
    figure(seconds.expected) + ' s of work, $' + Number(usd.expected).toPrecision(2) + (size ? ', an output of about ' + bytes(size.expected) : ''),
    plan && plan.limit != null ? plan.remaining + ' of ' + plan.limit + ' jobs of this operation are left afterwards' : ''];
}
function uploaded(sent, total) {
  $('upload').hidden = false;
  $('upload').querySelector('progress').value = total ? 100 * sent / total : 0;
  $('upload').querySelector('span').textContent = bytes(sent) + ' of ' + bytes(total) + ' uploaded';
}
async function submitJob() {
  const mine = offer, by = asker, said = JSON.stringify(wanted());
  if (uploading) return;
  if (!mine.record || mine.record.said !== said) {
    await quote();  // the last change may have been a moment ago
    if (mine !== offer || mine.accepted !== said || uploading) return;
    mine.record = { said, id: uuid() };  // the id is ours, so that another try makes no second record
  }
  const upload = uploading = new AbortController(), { signal } = upload, { id } = mine.record, body = JSON.parse(said);
  const still = () => { if (mine !== offer || by !== asker) throw new Outdated(); signal.throwIfAborted(); };
  busyForm(true);
  try {
    if (!mine.fileId) {
      const chunk = await chunkBytes(signal);
      still();
      mine.fileId = chunk && await uploadChunks(mine, chunk, signal) || await uploadWhole(mine.file, signal);
    }
    still();
    $('stop-upload').hidden = true;  // from here on a job may run, and can be cancelled
    if (!mine.record.written) await written({ id, ...body, status: 'pending', input_file_id: mine.fileId }, signal);
    mine.record.written = true;
    still();
    try { await call('/media', 'POST', { body: { jobId: id, ...body } }); } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const known = await call('/jobs/' + id).catch(() => null);  // an earlier try may have come through
      if (!known || ![...OPEN, 'completed'].includes(known.job.state)) throw error;
    }
    still();
    forget();
    location.hash = 'job=' + id;
  } catch (error) {
    if (mine === offer && by === asker && !(error instanceof Outdated)) quoted([error.name === 'AbortError' ? 'The upload is stopped' : error.message + (mine.fileId ? '. The file is uploaded: submit again' : '')], true);
  }
  if (uploading === upload) { uploading = null; busyForm(false); }
}
function busyForm(yes) {
  $('new-fields').disabled = yes;
  $('stop-upload').hidden = !yes;
  if (!yes) $('upload').hidden = true;
}
function forget() {
  if (uploading) uploading.abort();
  uploading = null;
  offer = fresh(null);
  $('new-job').reset();
  $('quote').replaceChildren();
  busyForm(false);
  quote();
}
function uuid() {
  const bits = crypto.getRandomValues(new Uint8Array(16));
  bits[6] = bits[6] & 15 | 64;
  bits[8] = bits[8] & 63 | 128;
  return [...bits].map(one => one.toString(16).padStart(2, '0')).join('').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

// Uploads: in pieces that can be resumed where Directus has tus, else as one form
async function reach(path, options = {}, headers = {}) {
  try {
    return await fetch(directus + path, { ...options, headers: { Authorization: 'Bearer ' + token, ...headers } });
  } catch (error) {
    throw error.name === 'AbortError' ? error : new Error('Directus cannot be reached from this page. It must be up, with CORS_ENABLED and CORS_ORIGIN');
  }
}
async function read(path, signal) { return (await (await reach(path, { signal })).json().catch(() => ({}))).data; }
async function chunkBytes(signal) {
  const data = await read('/server/info', signal);
  return data && data.uploads ? +data.uploads.chunkSize || 8e6 : 0;
}
function pause(ms, signal) {
  return new Promise((done, stop) => {
    signal.throwIfAborted();
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); stop(signal.reason); });
  });
}
function sendPiece(path, method, signal, headers = {}, body = null) { return reach('/files/tus' + path, { method, body, signal }, { 'Tus-Resumable': '1.0.0', ...headers }); }
// Begins an upload in pieces; null: Directus, its CORS_ lists or the rights of the user do not allow it
async function beginPieces(file, signal) {
  const text = value => btoa(String.fromCharCode(...new TextEncoder().encode(value)));
  const known = { filename_download: file.name, title: file.name, type: file.type || 'application/octet-stream' };
  let made;
  try {
    made = await sendPiece('', 'POST', signal, { 'Upload-Length': String(file.size), 'Upload-Metadata': Object.entries(known).map(([name, value]) => name + ' ' + text(value)).join(',') });
  } catch (error) { if (error.name === 'AbortError') throw error; return null; }
  if ([401, 413, 415].includes(made.status)) throw new Refused('Directus does not take the file: status ' + made.status);
  const place = made.ok && made.headers.get('Location');
  if (!place) return null;
  return { path: '/' + place.split('/').pop(), last: false };
}
// The newest file of that name and size of the user: Directus hides a file until its last piece is there
async function newest(file, signal) {
  const asked = new URLSearchParams({ fields: 'id', limit: '1', sort: '-uploaded_on', 'filter[filename_download][_eq]': file.name, 'filter[filesize][_eq]': String(file.size), 'filter[uploaded_by][_eq]': '$CURRENT_USER' });
  const [row] = await read('/files?' + asked, signal) || [];
  return row ? row.id : null;
}
async function uploadChunks(mine, chunk, signal) {
  const { file } = mine, again = !!mine.tus;
  mine.tus = mine.tus || await beginPieces(file, signal);
  if (!mine.tus) return null;
  const { path } = mine.tus;
  let at = 0, failed = again ? 1 : 0;
  for (;;) {
    let answer = null;
    try {
      if (failed) {  // how much of it arrived
        answer = await sendPiece(path, 'HEAD', signal);
        if (answer.ok) at = +answer.headers.get('Upload-Offset');
      }
      uploaded(at, file.size);
      mine.tus.last = mine.tus.last || at + chunk >= file.size;
      if (!answer || answer.ok) answer = await sendPiece(path, 'PATCH', signal, { 'Upload-Offset': String(at), 'Content-Type': 'application/offset+octet-stream' }, file.slice(at, at + chunk));
    } catch (error) { if (error.name === 'AbortError') throw error; answer = null; }
    if (answer && answer.ok) {
      at = +answer.headers.get('Upload-Offset');
      failed = 0;
      if (answer.headers.get('Directus-File-Id')) return answer.headers.get('Directus-File-Id');
    }
    if (answer && [404, 410].includes(answer.status)) {  // over: the last answer was lost, or it took too long
      const id = mine.tus.last && await newest(file, signal);
      signal.throwIfAborted();
      mine.tus = null;
      if (id) return id;
      throw new Refused('Directus has given the upload up: submit again');
    }
    if (answer && !answer.ok && answer.status < 500 && ![409, 423].includes(answer.status)) throw new Refused('Directus does not take the file: status ' + answer.status);
    if (answer && answer.ok && at < file.size) continue;
    if (++failed > TRIES) throw new Error('Directus does not take the file. Submit again to go on');
    await pause(Math.min(8000, 250 * 2 ** failed), signal);
  }
}
function uploadWhole(file, signal) {
  const form = new FormData(), asked = new XMLHttpRequest();
  form.append('title', file.name);
  form.append('file', file);
  return new Promise((done, refused) => {
    signal.throwIfAborted();
    asked.upload.onprogress = event => uploaded(event.loaded, event.total);
    asked.onload = () => { try { done(answered(asked.status, JSON.parse(asked.responseText)).id); } catch (error) { refused(error); } };
    asked.onerror = () => refused(new Error('Directus cannot be reached'));
    asked.onabort = () => refused(signal.reason);
    signal.addEventListener('abort', () => asked.abort());
    asked.open('POST', directus + '/files');
    asked.setRequestHeader('Authorization', 'Bearer ' + token);
    asked.send(form);
  });
}
function answered(status, body) {
  if (status >= 400) throw new Refused(body.errors ? body.errors.map(one => one.message).join(' ') : 'status ' + status);
  return body.data;
}
async function written(row, signal) {
  const answer = await reach('/items/media_jobs', { method: 'POST', body: JSON.stringify(row), signal }, { 'Content-Type': 'application/json' }), body = await answer.json();
  if (!(body.errors || []).some(one => one.extensions && one.extensions.code === 'RECORD_NOT_UNIQUE')) answered(answer.status, body);  // else it is ours, from an earlier try
}

$('new-operation').append(...SUBMITTED.map(name => make('option', { value: name }, name)));
$('new-preset').append(make('option', { value: '' }, 'none'), ...document.documentElement.dataset.presets.split(' ').map(name => make('option', { value: name }, name)));
$('file').addEventListener('change', () => choose($('file').files[0]));
for (const id of ['new-operation', 'new-preset', 'new-params']) $(id).addEventListener('change', quote);
$('new-job').addEventListener('submit', event => { event.preventDefault(); submitJob().catch(error => quoted([error.message], true)); });
$('stop-upload').addEventListener('click', () => uploading && uploading.abort());
for (const name of ['dragover', 'dragleave', 'drop']) $('drop').addEventListener(name, event => {
  event.preventDefault();
  $('drop').classList.toggle('over', name === 'dragover');
  if (name === 'drop') choose(event.dataTransfer.files[0]);
});
for (const name of ['dragover', 'drop']) addEventListener(name, event => event.preventDefault());  // a file beside the form does not leave the page
addEventListener('beforeunload', event => { if (uploading) event.preventDefault(); });
