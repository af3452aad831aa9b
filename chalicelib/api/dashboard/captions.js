// Captions: an editor beside the player. It has a section of its own, which the rounds do not draw again.
let edited = { id: null, cues: [], dirty: false, changes: 0 };
const captionsBase = base.replace(/\/queue$/, '/captions');

function canEdit(found) { return found.operation === 'caption_generation' && found.state === 'completed' && !!found.output_file_id; }
function stamp(seconds) {
  const ms = Math.round(seconds * 1000), two = value => String(value).padStart(2, '0');
  const hours = Math.floor(ms / 3600000), rest = two(Math.floor(ms / 60000) % 60) + ':' + two(Math.floor(ms / 1000) % 60) + '.' + String(ms % 1000).padStart(3, '0');
  return hours ? hours + ':' + rest : rest;
}
function unstamp(text) {
  const parts = /^(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,3})?)$/.exec(text.trim());
  return parts ? Number(parts[1] || 0) * 3600 + Number(parts[2]) * 60 + Number(parts[3].replace(',', '.')) : NaN;
}
async function edit(found) {
  if (edited.dirty && !confirm('Discard the changes that are not saved?')) return;
  let captions;
  try { captions = await call('/' + encodeURIComponent(found.jobId), 'GET', { root: captionsBase }); } catch (error) { personal(error); return; }
  closeMedia();
  edited = { id: found.jobId, cues: captions.cues, dirty: false, changes: 0, version: captions.version, language: captions.language };
  const source = found.input_file_id && directus ? directus + '/assets/' + encodeURIComponent(found.input_file_id) + '?access_token=' + encodeURIComponent(token) : '';
  const player = source ? make('video', { id: 'player', controls: '', preload: 'metadata', src: source, ontimeupdate: follow, onerror: unplayable }) : null;
  $('editor').replaceChildren(
    make('div', { class: 'bar' }, make('h2', { id: 'editor-title', class: 'grow' }, 'Captions'), make('span', { id: 'version', class: 'soft' }),
      make('button', { type: 'button', id: 'save', class: 'main', onclick: save }, 'Save'), button('Close', 'Close the editor', closeEditor)),
    make('p', { class: 'soft', id: 'keys' }, 'Keys: Alt+P plays, Alt+Up and Alt+Down go to the cue before and after, Alt+S and Alt+E set start and end to the player\u2019s time, Ctrl+S saves.'),
    make('div', { class: 'editor' }, player ? make('div', {}, player, make('p', { id: 'shown', class: 'shown', 'aria-live': 'off' })) : make('p', { class: 'soft' }, 'The film is not a file in Directus, so it cannot be played here.'),
      make('ol', { id: 'cues', class: 'cues', 'aria-describedby': 'keys' }, ...edited.cues.map(cueRow))));
  $('editor').hidden = false;
  status(0);
  $('editor').scrollIntoView({ block: 'start' });
  const first = $('cues').querySelector('textarea');
  (first || $('save')).focus();
}
function cueRow(cue, at) {
  const low = (cue.words || []).filter(word => word.check).map(word => word.text);
  const time = (name, label) => make('input', { class: 'mono time', value: stamp(cue[name]), 'aria-label': label + ' of cue ' + (at + 1), 'data-part': name, spellcheck: 'false', oninput: change => changed(change.target) });
  return make('li', { 'data-at': at },
    make('div', { class: 'bar' }, time('start', 'Start'), time('end', 'End'), low.length ? make('span', { class: 'check' }, 'Check: ' + low.join(', ')) : null),
    make('textarea', { rows: Math.max(2, cue.lines.length), 'aria-label': 'Text of cue ' + (at + 1), 'data-part': 'text', oninput: change => changed(change.target), onfocus: event => seek(event.target) }, cue.lines.join('\n')),
    make('p', { class: 'problem', role: 'status' }));
}
function changed(field) {
  edited.dirty = true;
  edited.changes += 1;
  const row = field.closest('li'), wrong = field.dataset.part !== 'text' && Number.isNaN(unstamp(field.value));
  field.setAttribute('aria-invalid', String(wrong));
  row.querySelector('.problem').textContent = wrong ? 'A time is written like 01:02.345' : '';
  status(0);
}
function status(warnings) {
  tell('version', 'Version ' + edited.version + (edited.dirty ? ', not saved' : warnings ? ', ' + warnings + ' warnings' : ''));
}
function rows() { return [...$('cues').children]; }
function timeOf(row, name) { return unstamp(row.querySelector('[data-part=' + name + ']').value); }
function follow() {
  const now = $('player').currentTime;
  let shown = '';
  for (const row of rows()) {
    const on = timeOf(row, 'start') <= now && now < timeOf(row, 'end');
    if (on) shown = row.querySelector('textarea').value;
    if (on === row.classList.contains('now')) continue;
    row.classList.toggle('now', on);
    if (on) row.setAttribute('aria-current', 'true'); else row.removeAttribute('aria-current');
    if (on && !$('player').paused && !row.contains(document.activeElement)) row.scrollIntoView({ block: 'nearest' });
  }
  if ($('shown').textContent !== shown) $('shown').textContent = shown;
}
function unplayable() { $('shown').textContent = 'The browser cannot play this film.'; }
function seek(field) {
  const start = timeOf(field.closest('li'), 'start');
  if ($('player') && $('player').paused && !Number.isNaN(start)) $('player').currentTime = start;
}
function closeEditor() {
  if (edited.dirty && !confirm('Discard the changes that are not saved?')) return;
  edited = { id: null, cues: [], dirty: false, changes: 0 };
  $('editor').replaceChildren();
  $('editor').hidden = true;
  ($('job').hidden ? $('main') : $('job')).focus();
}
async function save() {
  const cues = [];
  for (const row of rows()) {
    const start = timeOf(row, 'start'), end = timeOf(row, 'end'), lines = row.querySelector('textarea').value.split('\n').map(line => line.trim()).filter(Boolean);
    if (Number.isNaN(start) || Number.isNaN(end)) { row.querySelector('[aria-invalid=true]').focus(); return; }
    const was = edited.cues[row.dataset.at], same = was.lines.join('\n') === lines.join('\n');
    if (lines.length) cues.push({ row, start, end, lines, words: same ? was.words || [] : [] });
  }
  const changes = edited.changes;
  $('save').disabled = true;
  for (const row of rows()) row.querySelector('.problem').textContent = '';
  try {
    const body = { cues: cues.map(({ row, ...cue }) => cue), language: edited.language || '' };
    const answer = await call('/' + encodeURIComponent(edited.id), 'PUT', { root: captionsBase, body, version: edited.version });
    edited.dirty = edited.changes !== changes;  // what was typed meanwhile is not saved
    edited.version = answer.version;
    for (const one of answer.warnings) {
      const problem = cues[one.cue - 1].row.querySelector('.problem');
      problem.textContent += (problem.textContent ? '. ' : '') + one.message;
    }
    status(answer.warnings.length);
    say('Version ' + answer.version + ' of the captions is saved.');
  } catch (error) {
    if (error instanceof Outdated) return;
    say(error.message, true);
    const wrong = /^Cue (\d+)/.exec(error.message), row = wrong && cues[wrong[1] - 1] && cues[wrong[1] - 1].row;
    if (row) { row.querySelector('.problem').textContent = error.message; row.querySelector('input').focus(); }
  } finally { if ($('save')) $('save').disabled = false; }
}
function step(from, by) {
  const all = rows(), at = Math.min(all.length - 1, Math.max(0, (from ? all.indexOf(from) : -1) + by));
  if (all[at]) all[at].querySelector('textarea').focus();
}
function take(row, name) {
  if (!row || !$('player')) return;
  const field = row.querySelector('[data-part=' + name + ']');
  field.value = stamp($('player').currentTime);
  changed(field);
}
$('editor').addEventListener('keydown', event => {
  const row = event.target.closest('#cues li'), player = $('player');
  const acts = { p: () => player && (player.paused ? player.play().catch(unplayable) : player.pause()), arrowup: () => step(row, -1), arrowdown: () => step(row, 1), s: () => take(row, 'start'), e: () => take(row, 'end') };
  const act = event.altKey ? acts[event.key.toLowerCase()] || acts[event.code.replace('Key', '').toLowerCase()] : event.ctrlKey || event.metaKey ? { s: save }[event.key.toLowerCase()] : null;
  if (act) { event.preventDefault(); act(); }
});
addEventListener('beforeunload', event => { if (edited.dirty) event.preventDefault(); });
