// The page: its rounds, and what a person does.
const EVERY = 5000, MOVING_EVERY = 2000;
const STATES = ['pending', 'waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'];
let busy = false, again = false;

// The round: everything that is shown, every five seconds, and never two at a time
async function round() {
  if (busy) { again = true; return; }  // what it asked for may be older than what somebody just did
  busy = true;
  do {
    again = false;
    try { await figures(); } catch (error) { if (!(error instanceof Outdated)) gone(error); }
    if (!away) await mine();
  } while (again);
  busy = false;
}
async function mine() {
  await relist();
  await crew();
  await credentials();
  try { await job(); } catch (error) { personal(error); }
}
async function forever(act, ms) { for (;;) { await new Promise(done => setTimeout(done, ms)); await act(); } }
async function change() {
  const id = opened();
  if (shownMedia.id !== id) closeMedia();
  if (!id) { $('job').hidden = true; moving = false; return; }
  card(id, null, 'Loading');
  $('job').focus();
  try { await job(); } catch (error) { personal(error); }
}

// What a person does
function sign(given) {
  token = given;
  asker += 1;
  edited.dirty = false;
  if (edited.id) closeEditor();
  closeMedia();
  cursors = [null];
  picture = { id: null, src: '' };
  chosen.clear();
  shown([]);
  crewShown = false;
  $('crew').hidden = true;
  $('workers-part').hidden = !token;
  $('submit-part').hidden = !token || !directus;
  forget();
  pools();
  for (const id of ['said', 'jobs-away']) tell(id, '');
  if (opened()) card(opened(), null, token ? 'Loading' : 'Sign in to see it.');
  $('sign').textContent = token ? 'Sign out' : 'Sign in';
  $('token-form').hidden = true;
  $('sign').setAttribute('aria-expanded', 'false');
  mine();
}
$('sign').addEventListener('click', () => {
  if (token) { sessionStorage.removeItem('token'); sign(''); return; }
  $('token-form').hidden = !$('token-form').hidden;
  $('sign').setAttribute('aria-expanded', String(!$('token-form').hidden));
  if (!$('token-form').hidden) $('token').focus();
});
$('token-form').addEventListener('submit', async event => {
  event.preventDefault();
  token = $('token').value.trim();
  asker += 1;
  try { await call('/jobs?limit=1'); } catch (error) { token = ''; asker += 1; say(error.message, true); return; }
  sessionStorage.setItem('token', token);
  $('token').value = '';
  sign(token);
  $('sign').focus();
});
$('filter').addEventListener('submit', event => { event.preventDefault(); turn([null]); });
$('range').addEventListener('change', () => { address(); round(); });
for (const name of ['state', 'operation']) $(name).addEventListener('change', () => turn([null]));
$('older').addEventListener('click', () => { if (next) { $('older').disabled = true; turn([...cursors, next]); } });
$('newer').addEventListener('click', () => { if (cursors.length > 1) { $('newer').disabled = true; turn(cursors.slice(0, -1)); } });
$('show-workers').addEventListener('click', () => { crewShown = true; crew(); });
$('skip').addEventListener('click', event => { event.preventDefault(); $('main').focus(); });
addEventListener('hashchange', change);
addEventListener('popstate', change);
document.addEventListener('visibilitychange', () => { if (!document.hidden) round(); });
function theme(name) {
  if (name) document.documentElement.dataset.theme = name;
  const dark = name ? name === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  $('theme').textContent = dark ? 'Light' : 'Dark';
  $('theme').setAttribute('aria-label', 'Use the ' + (dark ? 'light' : 'dark') + ' theme');
}
$('theme').addEventListener('click', () => {
  const name = $('theme').textContent.toLowerCase();
  localStorage.setItem('theme', name);
  theme(name);
});
theme(localStorage.getItem('theme'));
$('state').append(...STATES.map(name => make('option', { value: name }, name)));
$('operation').append(...OPERATIONS.map(name => make('option', { value: name }, name)));
fromAddress();
tiles(null);
if (token) sign(token);
round();
forever(() => document.hidden ? null : round(), EVERY);
forever(async () => { if (!document.hidden && moving && !busy && !away) { try { await job(); } catch (error) { personal(error); } } }, MOVING_EVERY);
