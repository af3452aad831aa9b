// Credentials: store, test and delete them. A secret goes to the API once, and never comes back.
const credentialsBase = base.replace(/\/queue$/, '/credentials');
const SECRET_FIELDS = {
  bearer: [['token', 'Token', true]], basic: [['username', 'User name'], ['password', 'Password', true]],
  header: [['name', 'Header'], ['value', 'Value', true]], query: [['name', 'Parameter'], ['value', 'Value', true]],
  aws_s3: [['access_key_id', 'Access key id'], ['secret_access_key', 'Secret access key', true], ['region', 'Region']],
  oauth2_client: [['token_url', 'Token URL'], ['client_id', 'Client id'], ['client_secret', 'Client secret', true]],
};
const onCredentials = (path, method, body) => call(path, method, { root: credentialsBase, body });

async function credentials() {
  $('credentials-part').hidden = !token;
  if (!token) return;
  let found;
  try { found = (await onCredentials('')).credentials; tell('credentials-away', ''); } catch (error) {
    if (!(error instanceof Outdated)) tell('credentials-away', 'Credentials cannot be read: ' + error.message);
    return;
  }
  $('no-credentials').hidden = found.length > 0;
  draw('credentials', found, () => found.map(one => make('tr', {}, make('th', { scope: 'row' }, one.name), make('td', {}, one.kind), make('td', { class: 'mono' }, one.hosts.join(', ')),
    make('td', { class: 'mono' }, one.fingerprint), make('td', {}, one.last_used_at ? clock(one.last_used_at) + ': ' + one.last_status : 'not used'),
    make('td', {}, button('Test', 'Test ' + one.name, pressed => tryOne(pressed, one)), ' ', button('Delete', 'Delete ' + one.name, pressed => removeOne(pressed, one))))));
}
async function tryOne(pressed, one) {
  const url = prompt('An https address at ' + one.hosts.join(' or ') + ', which a worker asks for with the credential:', 'https://' + one.hosts[0] + '/');
  if (!url) return;
  pressed.disabled = true;
  say('A worker tries ' + one.name + '.');
  try {
    const found = await onCredentials('/' + one.id + '/test', 'POST', { url });
    say(found.state === 'answered' ? one.name + ': answered with status ' + found.status : found.error || 'No worker has answered yet; the table will show it.', found.state === 'failed' || found.status >= 400);
  } catch (error) { if (!(error instanceof Outdated)) say(error.message, true); }
  pressed.disabled = false;
  await credentials();
}
async function removeOne(pressed, one) {
  if (!confirm('Delete the credential ' + one.name + '?')) return;
  pressed.disabled = true;
  try { await onCredentials('/' + one.id, 'DELETE'); say(one.name + ' is deleted.'); } catch (error) { if (!(error instanceof Outdated)) say(error.message, true); }
  pressed.disabled = false;
  await credentials();
}
function secretFields() {
  $('secret-fields').replaceChildren(...SECRET_FIELDS[$('credential-kind').value].map(([name, label, hidden]) =>
    make('label', {}, label, make('input', { name, required: '', type: hidden ? 'password' : 'text', autocomplete: 'off', spellcheck: 'false' }))));
}
$('credential-kind').append(...Object.keys(SECRET_FIELDS).map(kind => make('option', { value: kind }, kind)));
$('credential-kind').addEventListener('change', secretFields);
secretFields();
$('new-credential').addEventListener('submit', async event => {
  event.preventDefault();
  const kind = $('credential-kind').value, secret = {};
  for (const field of $('secret-fields').querySelectorAll('input')) secret[field.name] = field.value;
  const hosts = $('credential-hosts').value.split(/[\s,]+/).filter(Boolean), name = $('credential-name').value.trim();
  try {
    const made = (await onCredentials('', 'POST', { name, kind, hosts, secret })).credential;
    $('new-credential').reset();
    secretFields();
    say(made.name + ' is stored. Jobs use it with creator_profile_id ' + made.id);
  } catch (error) { if (!(error instanceof Outdated)) say(error.message, true); }
  await credentials();
});
