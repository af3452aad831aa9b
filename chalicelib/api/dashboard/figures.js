// Figures: what everybody may see.
const COUNTS = ['waiting', 'active', 'delayed', 'completed', 'failed'];
const SPANS = { '': ['15 min', 15 * 60000], '1h': ['1 h', 3600000], '24h': ['24 h', 86400000] };
const RATE = 60000, FAILURES = 300000;
let samples = [], span = SPANS[''], knownPools = [], away = false, seenAt = null;

function tiles(stats) {
  draw('tiles', stats, () => COUNTS.map(name => make('div', { class: 'card tile', 'data-count': name },
    make('b', {}, stats ? stats[name].toLocaleString() : '\u2013'), make('span', {}, name))));
}
// What ended within some time before a sample, or null when nobody has looked so early.
function ended(at, ms) {
  const one = samples[at], from = samples.slice(0, at).filter(other => other.at <= one.at - ms * .9).pop();
  if (!from) return null;
  const done = one.completed - from.completed, bad = one.failed - from.failed;
  return done < 0 || bad < 0 ? null : { rate: (done + bad) * 60000 / (one.at - from.at), ratio: done + bad ? 100 * bad / (done + bad) : 0 };
}
function svg(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
function plot(title, unit, lines) {
  const most = Math.max(1, ...lines.flatMap(line => line.values.map(value => value || 0)));
  const end = samples[samples.length - 1].at, x = at => Math.max(0, 300 - 300 * (end - at) / span[1]), y = value => 92 - 88 * value / most;
  const now = line => { const value = line.values[line.values.length - 1]; return line.name + ' ' + (value == null ? 'not known yet' : figure(value) + unit); };
  const drawing = svg('svg', { class: 'plot', viewBox: '0 0 300 96', preserveAspectRatio: 'none', role: 'img', 'aria-label': title + ': ' + lines.map(now).join(', ') });
  drawing.append(svg('line', { x1: 0, x2: 300, y1: 92, y2: 92 }), svg('line', { x1: 150, x2: 150, y1: 4, y2: 92 }));
  for (const line of lines) {
    const points = line.values.map((value, i) => value == null ? null : x(samples[i].at).toFixed(1) + ' ' + y(value).toFixed(1)).filter(Boolean);
    if (points.length) drawing.append(svg('path', { class: line.kind, d: 'M' + points.join('L') }));
  }
  const legend = make('div', { class: 'legend' }, ...lines.map(line => make('span', {}, make('i', { class: line.kind }), now(line))),
    make('span', { class: 'grow' }), make('span', {}, 'most ' + figure(most) + unit));
  const mark = svg('line', { y1: 0, y2: 92 }), axis = make('div', { class: 'legend axis' });
  const plain = () => { mark.remove(); axis.replaceChildren(span[0] + ' ago', make('span', { class: 'grow' }), new Date(end - span[1] / 2).toLocaleTimeString([], { timeStyle: 'short' }), make('span', { class: 'grow' }), 'now'); };
  drawing.addEventListener('pointermove', event => {
    const box = drawing.getBoundingClientRect(), wanted = 300 * (event.clientX - box.left) / box.width;
    const near = samples.reduce((best, one, i) => Math.abs(x(one.at) - wanted) < Math.abs(x(samples[best].at) - wanted) ? i : best, 0);
    drawing.append(mark);
    for (const end of ['x1', 'x2']) mark.setAttribute(end, x(samples[near].at));
    axis.textContent = new Date(samples[near].at).toLocaleTimeString() + ': ' + lines.map(line => line.name + ' ' + (line.values[near] == null ? 'not known' : figure(line.values[near]) + unit)).join(', ');
  });
  drawing.addEventListener('pointerleave', plain);
  plain();
  return make('div', { class: 'card' }, make('h2', {}, title), drawing, axis, legend);
}
function charts() {
  const rates = samples.map((_, at) => ended(at, RATE)), ratios = samples.map((_, at) => ended(at, FAILURES) || ended(at, RATE));
  draw('charts', [samples, span], () => [
    plot('Depth', '', [{ name: 'waiting', kind: 'a', values: samples.map(one => one.waiting) }, { name: 'active', kind: 'b', values: samples.map(one => one.active) }]),
    plot('Throughput', ' a minute', [{ name: 'ended', kind: 'b', values: rates.map(one => one && one.rate) }]),
    plot('Failure rate', ' %', [{ name: 'failed, of 5 minutes', kind: 'c', values: ratios.map(one => one && one.ratio) }])]);
}
function pools() {
  draw('pools', [knownPools, !!token], () => knownPools.map(pool => {
    const word = pool.paused ? 'Resume' : 'Pause';
    const act = pressed => perform(pressed, '/pools/' + pool.pool + '/' + word.toLowerCase(), 'POST', pool.pool + (pool.paused ? ' goes on' : ' is paused'));
    return make('tr', {}, make('th', { scope: 'row' }, pool.pool), make('td', {}, pool.waiting.toLocaleString()),
      make('td', {}, pool.pace_seconds == null ? 'not known' : 'a start every ' + figure(pool.pace_seconds) + ' s'),
      make('td', {}, pill(pool.paused ? 'paused' : 'running'), ' ', token ? button(word, word + ' ' + pool.pool, act) : null));
  }));
}
function alarms(health) {
  const down = Object.entries(health.dependencies).filter(([, word]) => word !== 'ok').map(([name]) => name);
  const lines = health.alarms.map(one => one.name + ': ' + one.says + ' (since ' + clock(one.since * 1000) + ')');
  if (down.length) lines.unshift('Cannot be reached: ' + down.join(', '));
  draw('alarms', lines, () => lines.map(text => make('div', { class: 'notice away', role: 'alert' }, text)));
}
async function figures() {
  const range = $('range').value;
  const [trend, { stats, now }, found] = await Promise.all([call('/trend' + (range ? '?range=' + range : '')), call('/stats'), call('/pools')]);
  const past = trend.samples.map(one => ({ ...one, at: Date.parse(one.at) })).filter(one => one.at < now && one.at >= now - SPANS[range][1]);
  span = SPANS[range];
  samples = [...past, { at: now, ...stats }];
  tiles(stats);
  charts();
  knownPools = found.pools;
  pools();
  alarms(await call('/health'));
  seenAt = new Date();
  if (away) say('The API is back.');
  away = false;
  tell('away', '');
  link('live', 'ok');
}
function gone(error) {
  away = true;
  tell('away', 'The API is unreachable (' + error.message + '). ' + (seenAt ? 'The figures are from ' + seenAt.toLocaleTimeString() : 'There are no figures yet') + '; trying again every 5 seconds.');
  link('away', 'away');
}
function link(word, kind) {
  tell('link', word);
  $('link').className = 'pill ' + kind;
  $('figures').classList.toggle('stale', away);
}
