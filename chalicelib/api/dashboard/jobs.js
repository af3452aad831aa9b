// Jobs: the list of them, and one of them.
const OPEN = ['waiting', 'delayed', 'active'];
let cursors = [null], next = null, listing = 0;  // the cursor of every page up to the one that is shown
const FILTERS = ['state', 'operation', 'search'], VIEW = [...FILTERS, 'range'];
let listed = [];  // the jobs that are shown
let moving = false, picture = { id: null, src: '' };

function row(job) {
  return make('tr', {}, make('td', { class: 'mono' }, selecting(job.jobId), make('a', { href: '#job=' + job.jobId, 'data-key': job.jobId, title: job.jobId }, job.jobId.slice(0, 8))),
    make('td', {}, job.operation || ''), make('td', {}, pill(job.state)), make('td', {}, job.progress + ' %'),
    make('td', {}, ago(job.created_at)), make('td', {}, lasted(job.started_at, job.finished_at)),
    make('td', { class: 'mono', title: job.user || '' }, (job.user || '').slice(0, 8)), make('td', {}, job.error || ''));
}
async function list() {
  $('listing').hidden = !token;
  $('stranger').hidden = !!token;
  if (!token) return;
  const mine = ++listing, asked = new URLSearchParams({ limit: '20' });
  for (const name of FILTERS) if ($(name).value.trim()) asked.set(name, $(name).value.trim());
  if (cursors[cursors.length - 1]) asked.set('cursor', cursors[cursors.length - 1]);
  const answer = await call('/jobs?' + asked);
  if (mine !== listing) return;  // asked for something else meanwhile
  next = answer.next;
  shown(answer.jobs);
  $('older').disabled = !next;
  $('newer').disabled = cursors.length === 1;
  $('none').hidden = answer.jobs.length > 0;
}
function shown(jobs) {
  listed = jobs;
  for (const id of chosen) if (!jobs.some(job => job.jobId === id)) chosen.delete(id);
  draw('jobs', [jobs, [...chosen], Math.floor(Date.now() / 60000)], () => jobs.map(row));
  many();
}
// The filter and the range of the charts are in the address, so that a view can be kept and sent to others.
function address() {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of VIEW) if ($(name).value.trim()) asked.set(name, $(name).value.trim()); else asked.delete(name);
  history.replaceState(null, '', location.pathname + (asked.size ? '#' + asked : ''));
}
function fromAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of VIEW) if (asked.get(name)) $(name).value = asked.get(name);
}
function turn(pages) { address(); cursors = pages; return relist(); }
async function relist() { try { await list(); tell('jobs-away', ''); } catch (error) { personal(error); } }
function personal(error) {
  if (error instanceof Outdated) return;
  if (error instanceof Refused) say(error.message, true);
  else tell('jobs-away', 'Jobs cannot be read: ' + error.message + '. This list may be outdated; trying again every 5 seconds.');
}

// One job
function opened() { return new URLSearchParams(location.hash.slice(1)).get('job'); }
async function job() {
  const id = opened();
  moving = false;
  if (!id) return;
  if (!token) { card(id, null, 'Sign in to see it.'); return; }
  let found;
  try { found = (await call('/jobs/' + encodeURIComponent(id))).job; } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (opened() === id) card(id, null, error.message);
    return;
  }
  if (opened() !== id) return;
  moving = OPEN.includes(found.state);
  card(id, found, '');
  if (hasMedia(found)) showMedia(found);
  if (hasPicture(found) && !isPackage(found) && picture.id !== id) await look(id, found);
}
function card(id, found, text) {
  $('job').hidden = false;
  draw('job', [id, found, text, picture.id === id ? picture.src.length : 0], () => found ? jobView(found) : [
    make('div', { class: 'bar' }, make('h2', { id: 'job-title', class: 'grow' }, 'Job ' + id.slice(0, 8)), button('Close', 'Close', close)), make('p', { class: 'soft' }, text)]);
}
function close() {
  const id = opened();
  history.pushState(null, '', location.pathname);
  address();
  closeMedia();
  change();
  const back = [...document.querySelectorAll('#jobs a')].find(one => one.dataset.key === id);
  (back || $('main')).focus();
}
function jobView(found) {
  const cost = found.result && found.result.cost || {};
  const facts = [['Job', found.jobId], ['Admission', found.bullJobId], ['User', found.user], ['Operation', found.operation], ['Priority', found.priority],
    ['Pool', found.pool], ['Position in the queue', found.position], ['Paused', found.paused ? 'yes: no job of this pool starts' : null],
    ['May start', clock(found.estimated_start)], ['Due', clock(found.run_at)], ['Made', clock(found.created_at)], ['Started', clock(found.started_at)],
    ['Finished', clock(found.finished_at)], ['Output', found.output_file_id], ['Error', found.error],
    ['Stages', Object.entries(found.stages).map(([name, seconds]) => name + ' ' + seconds + ' s').join(', ')],
    ['Cost', cost.usd == null ? null : '$' + +Number(cost.usd).toPrecision(2) + ', ' + figure(+cost.cpu_seconds) + ' s of a processor, ' + figure(cost.peak_memory_bytes / 1e6) + ' MB of memory'],
    ['Callback', found.callback ? found.callback.state + ', ' + found.callback.url : null]];
  const act = (word, method, path, said) => button(word, word, pressed =>
    (method !== 'DELETE' || confirm('Cancel this job?')) && perform(pressed, '/jobs/' + found.jobId + path, method, said));
  const src = picture.id === found.jobId ? picture.src : '';
  return [
    make('div', { class: 'bar' }, make('h2', { id: 'job-title', class: 'grow' }, found.operation || 'Job', ' ', pill(found.state)),
      OPEN.includes(found.state) ? act('Cancel', 'DELETE', '', 'The job is cancelled') : null,
      ['failed', 'cancelled'].includes(found.state) ? act('Retry', 'POST', '/retry', 'The job will be retried') : null,
      copying(found.jobId), canEdit(found) ? button('Edit captions', 'Edit captions', () => edit(found)) : null,
      button('Close', 'Close', close)),
    make('progress', { max: 100, value: found.progress, 'aria-label': 'Progress' }), make('span', { class: 'soft' }, found.progress + ' %'),
    make('div', { class: 'columns' },
      make('div', {}, make('dl', {}, ...facts.filter(([, value]) => value != null && value !== '').flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)])),
        src ? make('img', { id: 'picture', alt: 'Output of the job', src }) : null),
      make('div', {}, ...attemptsView(found), ...partsView(found),
        ...section('Warnings', found.warnings, one => one.code + ': ' + one.message),
        ...section('Webhook deliveries', found.callback ? found.callback.deliveries : [], one => clock(one.at) + ' ' + (one.status || 'no answer') + ' ' + one.error)),
      make('div', {}, ...(found.log.length ? text('Log', found.log.map(line => line.at.slice(11, 23) + '  ' + line.text).join('\n')) : [])),
      make('div', {}, ...(found.result ? text('Result', JSON.stringify(found.result, null, 1)) : []))),
  ].filter(Boolean);
}
function text(title, body) { return [make('h3', {}, title), make('pre', { tabindex: '0', 'aria-label': title, 'data-key': title }, body)]; }
function section(title, items, line) {
  return items.length ? [make('h3', {}, title), make('ul', { class: 'mono plain' }, ...items.map(one => make('li', {}, line(one))))] : [];
}
function hasPicture(found) {
  const outputs = found.result && Array.isArray(found.result.outputs) ? found.result.outputs : [];
  return outputs.some(one => one && /^image\/(jpeg|png|webp|gif)$/.test(one.type));
}
async function look(id, found) {
  let made = null;  // an absence is not the last word, and what an earlier viewer asked for is not to be shown
  try { made = await call('/jobs/' + encodeURIComponent(id) + '/picture'); } catch (error) { if (!(error instanceof Refused)) throw error; }
  if (opened() !== id) return;
  picture = { id, src: made ? 'data:' + made.type + ';base64,' + made.data : '' };
  card(id, found, '');
}
async function perform(pressed, path, method, said) {
  pressed.disabled = true;
  try { await call(path, method); say(said); } catch (error) { if (!(error instanceof Outdated)) say(error.message, true); }
  pressed.disabled = false;
  await round();
}
