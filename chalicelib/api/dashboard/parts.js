// Parts of a film: which worker encodes which, and when.
function partsView(found) {
  const live = found.parts, ended = found.result && found.result.parts || {};
  const rows = live ? live.parts.filter(one => one.worker) : ended.timeline || [];
  if (!rows.length) return [];
  const at = one => live ? Date.parse(one.started_at) / 1000 : one.start, first = Math.min(...rows.map(at));
  const bars = rows.map(one => ({ ...one, from: at(one) - first, took: one.seconds == null ? Date.now() / 1000 - at(one) : one.seconds }));
  const end = Math.max(1, ...bars.map(one => one.from + one.took)), lanes = Math.max(...rows.map(one => one.worker));
  const said = (live ? live.finished + ' of ' + live.count : ended.count) + ' parts on ' + lanes + ' workers in ' + figure(end) + ' s';
  const drawing = svg('svg', { class: 'plot lanes', viewBox: '0 0 300 ' + 10 * lanes, preserveAspectRatio: 'none', role: 'img', 'aria-label': said });
  for (const one of bars) {
    const bar = svg('rect', { class: one.state === 'active' ? 'a' : 'b', x: 300 * one.from / end, y: 10 * one.worker - 9, width: Math.max(1, 300 * one.took / end), height: 8 });
    bar.append(svg('title', {}));
    bar.firstChild.textContent = 'Part ' + one.part + ', worker ' + one.worker + ': ' + figure(one.took) + ' s, started ' + one.runs + ' times';
    drawing.append(bar);
  }
  return [make('h3', {}, 'Parts'), drawing, make('p', { class: 'soft' }, said)];
}
