// Many jobs at once: those that are selected in the list.
const chosen = new Set();

function selecting(id) {
  const box = make('input', { type: 'checkbox', 'aria-label': 'Select ' + id, 'data-key': 'select ' + id, checked: chosen.has(id) ? '' : null });
  box.addEventListener('change', () => { if (box.checked) chosen.add(id); else chosen.delete(id); many(); });
  return box;
}
function many() {
  const said = filters();
  draw('many', [listed.length, [...chosen], said], () => [
    button('Select all shown', 'Select all shown', () => { for (const job of listed) chosen.add(job.jobId); shown(listed); }),
    button('Retry selected', 'Retry selected', pressed => actOnMany(pressed, 'retry')),
    button('Cancel selected', 'Cancel selected', pressed => confirm('Cancel ' + chosen.size + ' jobs?') && actOnMany(pressed, 'cancel')),
    ...(Object.keys(said).length ? [button('Retry all that match', 'Retry all that match', pressed => actOnMatching(pressed, 'retry')),
      button('Cancel all that match', 'Cancel all that match', pressed => actOnMatching(pressed, 'cancel'))] : []),
    make('span', { class: 'soft', role: 'status' }, chosen.size ? chosen.size + ' selected' : '')]);
  for (const one of $('many').querySelectorAll('button:nth-child(2), button:nth-child(3)')) one.disabled = !chosen.size;
}
async function actOnMany(pressed, action) {
  pressed.disabled = true;
  try {
    reportMany((await call('/jobs/' + action, 'POST', { body: { jobIds: [...chosen] } })).results, action);
    chosen.clear();
  } catch (error) { if (!(error instanceof Outdated)) say(error.message, true); }
  await round();
}
function filters() { return Object.fromEntries(FILTERS.map(name => [name, $(name).value.trim()]).filter(([, value]) => value)); }
// A dry run counts first; then a hundred jobs a call, and what fails is not tried again.
async function actOnMatching(pressed, action) {
  const said = filters();
  pressed.disabled = true;
  try {
    const all = async (body, results = [], cursor = null) => {
      do {
        const answer = await call('/jobs/' + action, 'POST', { body: { ...said, ...body, ...(cursor ? { cursor } : {}) } });
        results.push(...answer.results);
        cursor = answer.next;
      } while (cursor);
      return results;
    };
    const count = (await all({ dry_run: true })).length;
    if (!count) say('No job that matches can be ' + (action === 'retry' ? 'retried' : 'cancelled'), true);
    else if (confirm((action === 'retry' ? 'Retry ' : 'Cancel ') + count + ' jobs that match the filter?')) reportMany(await all({}), action);
  } catch (error) { if (!(error instanceof Outdated)) say(error.message, true); }
  pressed.disabled = false;
  await round();
}
function reportMany(results, action) {
  const refused = results.filter(one => !one.ok), why = refused.map(one => one.message || one.error);
  say(results.length - refused.length + ' of ' + results.length + ' jobs ' + (action === 'retry' ? 'will be retried' : 'are cancelled') + (why.length ? '. ' + [...new Set(why)].join('; ') : ''), !!refused.length);
}
