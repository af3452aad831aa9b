// A new job: a file, what would become of it, its upload, and the job.
const SUBMITTED = OPERATIONS.filter(name => name !== 'download');
const TRIES = 8;
const EMPTY = { file: null, facts: null, accepted: null, fileId: null, recordId: null };
let offer = { ...EMPTY, turn: 0 }, uploading = null;  // accepted: what the last quote said yes to

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
  offer = { ...EMPTY, turn: offer.turn + 1, file };
  const facts = await describe(file);
  if (offer.file !== file) return;
  offer.facts = facts;
  await quote();
}
async function quote() {
  if (uploading) return;
  const mine = ++offer.turn;
  $('new-preset').parentNode.hidden = $('new-operation').value !== 'transcoding';
  if (!offer.file || !offer.facts) { $('submit').disabled = true; return; }
  let accepted = null, lines;
  try {
    const body = wanted(), answer = await call('/media/quote', 'POST', { body: { ...body, input: offer.facts } });
    if (answer.accepted) accepted = JSON.stringify(body);
    lines = accepted ? sayQuote(answer) : [answer.refusal.message || answer.refusal.error];
  } catch (error) {
    if (error instanceof Outdated) return;
    lines = [error.message];
  }
  if (mine !== offer.turn) return;
  if (accepted !== offer.accepted) offer.recordId = null;  // a record keeps its parameters
  offer.accepted = accepted;
  $('submit').disabled = !accepted;
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
  await quote();  // the last change may have been a moment ago
  if (!offer.accepted || uploading) return;
  const { file } = offer, body = JSON.parse(offer.accepted);
  uploading = new AbortController();
  $('submit').disabled = true;
  $('stop-upload').hidden = false;
  try {
    if (!offer.fileId) {
      const chunk = await chunkBytes();
      offer.fileId = chunk && await uploadChunks(file, chunk) || await uploadWhole(file);
    }
    if (!offer.recordId) offer.recordId = (await written('/items/media_jobs', { ...body, status: 'pending', input_file_id: offer.fileId })).id;
    await call('/media', 'POST', { body: { jobId: offer.recordId, ...body } });
    const id = offer.recordId;
    uploading = null;
    forget();
    location.hash = 'job=' + id;
  } catch (error) {
    if (!(error instanceof Outdated)) quoted([error.name === 'AbortError' ? 'The upload is stopped' : error.message + (offer.fileId ? '. The file is uploaded: submit again' : '')], true);
    $('submit').disabled = false;
  }
  uploading = null;
  $('upload').hidden = $('stop-upload').hidden = true;
}
function forget() {
  if (uploading) uploading.abort();
  offer = { ...EMPTY, turn: offer.turn + 1 };
  $('new-job').reset();
  $('quote').replaceChildren();
  quote();
}

// Uploads: in pieces that can be resumed where Directus has tus, else as one form
async function reach(path, options = {}, headers = {}) {
  try {
    return await fetch(directus + path, { ...options, headers: { Authorization: 'Bearer ' + token, ...headers } });
  } catch (error) {
    throw error.name === 'AbortError' ? error : new Error('Directus cannot be reached from this page. It must be up, with CORS_ENABLED and CORS_ORIGIN');
  }
}
async function chunkBytes() {
  const { data } = await (await reach('/server/info')).json().catch(() => ({}));
  return data && data.uploads ? +data.uploads.chunkSize || 8e6 : 0;
}
async function uploadChunks(file, chunk) {
  const { signal } = uploading, text = value => btoa(String.fromCharCode(...new TextEncoder().encode(value)));
  const send = (path, method, headers, body) => reach('/files/tus' + path, { method, body, signal }, { 'Tus-Resumable': '1.0.0', ...headers });
  const known = { filename_download: file.name, title: file.name, type: file.type || 'application/octet-stream' };
  const made = await send('', 'POST', { 'Upload-Length': String(file.size), 'Upload-Metadata': Object.entries(known).map(([name, value]) => name + ' ' + text(value)).join(',') });
  if (made.status === 403) return null;  // Directus lets only those who may update files resume an upload
  if (!made.ok) throw new Refused('Directus does not take the file: status ' + made.status);
  const path = '/' + made.headers.get('Location').split('/').pop();
  let at = 0, failed = 0, id = null;
  while (!id) {
    uploaded(at, file.size);
    try {
      const answer = await send(path, 'PATCH', { 'Upload-Offset': String(at), 'Content-Type': 'application/offset+octet-stream' }, file.slice(at, at + chunk));
      if (!answer.ok) throw new Error('status ' + answer.status);
      at = +answer.headers.get('Upload-Offset');
      id = answer.headers.get('Directus-File-Id');
      failed = 0;
    } catch (error) {
      if (error.name === 'AbortError' || ++failed > TRIES) throw error;
      await new Promise(done => setTimeout(done, Math.min(8000, 250 * 2 ** failed)));
      const kept = await send(path, 'HEAD', {}).catch(() => null);  // how much of it arrived
      if (kept && kept.ok) at = +kept.headers.get('Upload-Offset');
    }
  }
  return id;
}
function uploadWhole(file) {
  const form = new FormData(), asked = new XMLHttpRequest();
  form.append('title', file.name);
  form.append('file', file);
  return new Promise((done, refused) => {
    asked.upload.onprogress = event => uploaded(event.loaded, event.total);
    asked.onload = () => { try { done(answered(asked.status, JSON.parse(asked.responseText)).id); } catch (error) { refused(error); } };
    asked.onerror = () => refused(new Error('Directus is unreachable'));
    asked.onabort = () => refused(new DOMException('', 'AbortError'));
    uploading.signal.addEventListener('abort', () => asked.abort());
    asked.open('POST', directus + '/files');
    asked.setRequestHeader('Authorization', 'Bearer ' + token);
    asked.send(form);
  });
}
function answered(status, body) {
  if (status >= 400) throw new Refused(body.errors ? body.errors.map(one => one.message).join(' ') : 'status ' + status);
  return body.data;
}
async function written(path, row) {
  const answer = await reach(path, { method: 'POST', body: JSON.stringify(row) }, { 'Content-Type': 'application/json' });
  return answered(answer.status, await answer.json());
}

$('new-operation').append(...SUBMITTED.map(name => make('option', { value: name }, name)));
$('new-preset').append(make('option', { value: '' }, 'none'), ...document.documentElement.dataset.presets.split(' ').map(name => make('option', { value: name }, name)));
$('file').addEventListener('change', () => choose($('file').files[0]));
for (const id of ['new-operation', 'new-preset', 'new-params']) $(id).addEventListener('change', quote);
$('new-job').addEventListener('submit', event => { event.preventDefault(); submitJob(); });
$('stop-upload').addEventListener('click', () => uploading && uploading.abort());
for (const name of ['dragover', 'dragleave', 'drop']) $('drop').addEventListener(name, event => {
  event.preventDefault();
  $('drop').classList.toggle('over', name === 'dragover');
  if (name === 'drop') choose(event.dataTransfer.files[0]);
});
