// Timelines: the attempts at a job, and the parts of a film, each as bars over time.
function bars(title, said, rows, lanes) {
  const end = Math.max(1, ...rows.map(one => one.from + one.took));
  const drawing = svg('svg', { class: 'plot lanes', viewBox: '0 0 300 ' + 10 * lanes, preserveAspectRatio: 'none', role: 'img', 'aria-label': title + ': ' + said });
  for (const one of rows) {
    const bar = svg('rect', { class: one.kind, x: 300 * one.from / end, y: 10 * one.lane - 9, width: Math.max(1, 300 * one.took / end), height: 8 });
    bar.append(svg('title', {}));
    bar.firstChild.textContent = one.text;
    drawing.append(bar);
  }
  const axis = make('div', { class: 'legend axis' }, '0 s', make('span', { class: 'grow' }), figure(end) + ' s');
  return [make('h3', {}, title), drawing, axis, make('p', { class: 'soft' }, said)];
}
// A lane for each attempt: how long the job waited for it, and how long it ran.
function attemptsView(found) {
  const items = found.attempts;
  if (!items.length) return [];
  const first = Date.parse(found.created_at || items[0].started_at), rows = [];
  let before = first, ran = 0;
  items.forEach((one, place) => {
    const start = Date.parse(one.started_at), end = one.ended_at ? Date.parse(one.ended_at) : Math.max(start, Date.now());
    const word = one.outcome || 'running', kind = word === 'completed' ? 'b' : word === 'running' ? 'a' : 'c';
    const named = (what, from, to) => 'Attempt ' + one.attempt + ': ' + what + ' ' + figure(Math.max(0, to - from) / 1000) + ' s';
    rows.push({ lane: place + 1, from: Math.max(0, before - first) / 1000, took: Math.max(0, start - before) / 1000, kind: 'w', text: named('waited', before, start) });
    rows.push({ lane: place + 1, from: Math.max(0, start - first) / 1000, took: (end - start) / 1000, kind, text: named(word + ',', start, end) });
    before = end;
    ran += end - start;
  });
  const said = 'waited ' + figure(Math.max(0, before - first - ran) / 1000) + ' s, ran ' + figure(ran / 1000) + ' s';
  return [...bars('Attempts', said, rows, items.length), make('ul', { class: 'mono plain' }, ...items.map(one => make('li', {},
    'Attempt ' + one.attempt + ': ' + (one.outcome || 'running') + ', ' + clock(one.started_at) + ' ' + lasted(one.started_at, one.ended_at) + (one.error ? ': ' + one.error : ''))))];
}
// A lane for each worker: which encodes which part, and when.
function partsView(found) {
  const live = found.parts, ended = found.result && found.result.parts || {};
  const items = live ? live.parts.filter(one => one.worker) : ended.timeline || [];
  if (!items.length) return [];
  const at = one => live ? Date.parse(one.started_at) / 1000 : one.start, first = Math.min(...items.map(at)), lanes = Math.max(...items.map(one => one.worker));
  const rows = items.map(one => {
    const took = one.seconds == null ? Date.now() / 1000 - at(one) : one.seconds;
    return { lane: one.worker, from: at(one) - first, took, kind: one.state === 'active' ? 'a' : 'b', text: 'Part ' + one.part + ', worker ' + one.worker + ': ' + figure(took) + ' s, started ' + one.runs + ' times' };
  });
  const end = Math.max(...rows.map(one => one.from + one.took));
  return bars('Parts', (live ? live.finished + ' of ' + live.count : ended.count) + ' parts on ' + lanes + ' workers in ' + figure(end) + ' s', rows, lanes);
}
