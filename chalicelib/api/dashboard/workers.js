// Workers: for administrators, when they ask.
let crewShown = false;

async function crew() {
  if (!crewShown || !token) { draw('workers', null, () => []); return; }
  try {
    const { workers } = await call('/workers');
    draw('workers', [workers, Math.floor(Date.now() / 10000)], () => workers.map(one => make('tr', {}, make('th', { scope: 'row', class: 'mono' }, one.id),
      make('td', {}, pill(one.state)), make('td', {}, one.pools.join(', ')),
      make('td', { class: 'mono' }, one.jobs.length + ' of ' + one.slots, ...one.jobs.map(id => make('a', { href: '#job=' + id }, ' ' + id.slice(0, 8)))),
      make('td', {}, ago(one.started_at)), make('td', {}, ago(one.seen_at)), make('td', {}, figure(one.memory_bytes / 1e6) + ' MB'),
      make('td', {}, one.version), make('td', {}, one.last_error || ''))));
    $('crew').hidden = false;
  } catch (error) {
    crewShown = false;
    if (!(error instanceof Outdated)) say(error.message, true);
  }
}
