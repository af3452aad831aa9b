// Basics: elements, what is drawn of them, and calls of the API.
'use strict';
const $ = id => document.getElementById(id);
const base = location.pathname.replace(/\/dashboard\/?$/, '');
const directus = document.documentElement.dataset.directus;
const OPERATIONS = ['transcoding', 'thumbnail', 'caption_generation', 'download', 'upload', 'analysis'];
let token = sessionStorage.getItem('token') || '';
let asker = 0;  // grows when somebody else signs in: what was asked for before is not theirs to see

// Text only ever becomes text: nothing that the API says is taken for markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child != null).map(child => child.nodeType ? child : String(child)));
  return element;
}
// Draws what has changed and nothing else, and leaves focus and scrolling where they were: [data-key] names what has either.
const drawn = {};
function draw(id, state, build) {
  const key = JSON.stringify(state), box = $(id);
  if (drawn[id] === key) return;
  drawn[id] = key;
  const held = box.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const tops = new Map([...box.querySelectorAll('[data-key]')].map(one => [one.dataset.key, one.scrollTop]));
  box.replaceChildren(...build());
  for (const one of box.querySelectorAll('[data-key]')) {
    one.scrollTop = tops.get(one.dataset.key) || 0;
    if (one.dataset.key === held) one.focus({ preventScroll: true });
  }
}
function tell(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
  $(id).hidden = !text;
}
function say(text, bad) {
  $('said').className = 'notice ' + (bad ? 'away' : 'ok');
  tell('said', text);
}

class Refused extends Error {}
class Outdated extends Error {}
async function call(path, method = 'GET', { root = base, body: sent, version } = {}) {
  const mine = asker, headers = token ? { Authorization: 'Bearer ' + token } : {};
  if (sent) headers['Content-Type'] = 'application/json';
  if (version) headers['If-Match'] = String(version);
  const answer = await fetch(root + path, { method, headers, cache: path.startsWith('/trend') ? 'default' : 'no-store', body: sent && JSON.stringify(sent), signal: AbortSignal.timeout(10000) });
  const body = await answer.json().catch(() => ({}));
  if (mine !== asker) throw new Outdated();
  if (path === '/health' && body.dependencies) return body;
  if (answer.status >= 500) throw new Error(body.error || 'status ' + answer.status);
  if (answer.status >= 400) throw new Refused(body.message || body.error || 'status ' + answer.status);
  return { ...body, now: Date.parse(answer.headers.get('date')) || Date.now() };
}
function clock(iso) { return iso ? new Date(iso).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' }) : ''; }
function ago(iso) {
  if (!iso) return '';
  const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  const [length, unit] = [[86400, 'd'], [3600, 'h'], [60, 'min']].find(([one]) => seconds >= 2 * one) || [1, 's'];
  return make('time', { datetime: iso, title: clock(iso) }, length === 1 ? 'just now' : Math.floor(seconds / length) + ' ' + unit + ' ago');
}
function lasted(from, to) { return from && to ? figure(Math.max(0, Date.parse(to) - Date.parse(from)) / 1000) + ' s' : ''; }
function copying(text) {
  const act = pressed => navigator.clipboard.writeText(text).then(() => { pressed.textContent = 'Copied'; }, () => say('The browser does not allow copying.', true));
  return button('Copy id', 'Copy ' + text, act);
}
function pill(state) { return make('span', { class: 'pill ' + state }, state); }
function figure(value) { return value >= 10 || Number.isInteger(value) ? Math.round(value).toLocaleString() : value.toFixed(1); }
function button(word, label, act) {
  return make('button', { type: 'button', 'data-key': label, 'aria-label': label === word ? null : label, onclick: event => act(event.currentTarget) }, word);
}
