// Many jobs at once: those that are selected in the list.
const chosen = new Set();

function selecting(id) {
  const box = make('input', { type: 'checkbox', 'aria-label': 'Select ' + id, 'data-key': 'select ' + id, checked: chosen.has(id) ? '' : null });
  box.addEventListener('change', () => { if (box.checked) chosen.add(id); else chosen.delete(id); many(); });
  return box;
}
function many() {
  draw('many', [listed.length, [...chosen]], () => [
    button('Select all shown', 'Select all shown', () => { for (const job of listed) chosen.add(job.jobId); shown(listed); }),
    button('Retry selected', 'Retry selected', pressed => actOnMany(pressed, 'retry', 'will be retried')),
    button('Cancel selected', 'Cancel selected', pressed => confirm('Cancel ' + chosen.size + ' jobs?') && actOnMany(pressed, 'cancel', 'are cancelled')),
    make('span', { class: 'soft', role: 'status' }, chosen.size ? chosen.size + ' selected' : '')]);
  for (const one of $('many').querySelectorAll('button:not(:first-child)')) one.disabled = !chosen.size;
}
async function actOnMany(pressed, action, words) {
  pressed.disabled = true;
  try {
    const answer = await call('/jobs/' + action, 'POST', { body: { jobIds: [...chosen] } });
    const refused = answer.results.filter(one => !one.ok), why = refused.map(one => one.message || one.error);
    say(answer.results.length - refused.length + ' of ' + answer.results.length + ' jobs ' + words + (why.length ? '. ' + [...new Set(why)].join('; ') : ''), !!refused.length);
    chosen.clear();
  } catch (error) { if (!(error instanceof Outdated)) say(error.message, true); }
  await round();
}
