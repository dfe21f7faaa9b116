'use strict';
// The page of an exploration. The facts are JSON; a node of the tree is a number, and 0 is above the
// first step. Of a node, `parent`, `step`, `depth` and the interval of its leaves are in typed arrays.
(() => {
const data = JSON.parse(document.getElementById('data').textContent);
const { threads, steps, outcomes } = data;
const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
const plural = (n, one, more) => `${grouped(n)} ${n === 1 ? one : more || one + 's'}`;
const unit = (n) => plural(n, data.unit === 'classes' ? 'class' : 'execution', data.unit);

// Control characters and those of the direction of text are shown, not obeyed.
const visible = (text) => String(text).replace(
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
  (c) => `\\u{${c.charCodeAt(0).toString(16)}}`);

/* ---- elements ---- */
function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false)
    .map((child) => typeof child === 'object' ? child : visible(child)));
  return made;
}
const fill = (element, ...children) => element.replaceChildren(...children.flat().filter(Boolean));
const span = (kind, ...children) => el('span', { class: kind }, ...children);
const p = (...children) => el('p', {}, ...children);
const row = (...children) => el('div', { class: 'row' }, ...children);

/* ---- the tree ---- */
const tree = (() => {
  const records = data.tree ? data.tree.split('|') : [];
  const count = data.tree.split(/[;,|]/).length + 1;
  const make = (Type) => new Type(count);
  const parent = make(Int32Array), step = make(Int32Array), values = make(Int32Array), depth = make(Int32Array);
  const first = make(Int32Array), last = make(Int32Array), child = make(Int32Array), next = make(Int32Array), open = make(Uint8Array);
  const total = make(Float64Array), failed = make(Float64Array);
  const leaves = [], path = [0], lastChild = make(Int32Array);
  let nodes = 1;
  for (const record of records) {
    const [head, body] = record.split(';');
    const [keep, outcome, many, wrong] = head.split(',');
    path.length = Number(keep) + 1;
    if (body) for (const text of body.split(',')) {
      const node = nodes++, above = path[path.length - 1];
      const dot = text.indexOf('.');
      parent[node] = above; depth[node] = path.length; first[node] = leaves.length;
      step[node] = parseInt(text, 10);
      values[node] = dot < 0 ? 0 : parseInt(text.slice(dot + 1), 10);
      open[node] = text.endsWith('!') ? 1 : 0;
      if (lastChild[above]) next[lastChild[above]] = node; else child[above] = node;
      lastChild[above] = node;
      path.push(node);
    }
    const cut = !!many && many[0] === '+';
    const leaf = { node: path[path.length - 1], outcome: Number(outcome), result: outcomes[outcome], cut, count: Number((many || '').replace('+', '')) || 1, wrong: wrong ? Number(wrong) : -1 };
    for (const node of path) {
      last[node] = leaves.length;
      total[node] += leaf.count;
      if (leaf.result.fails) failed[node] += leaf.count;
    }
    leaves.push(leaf);
  }
  // Below the root, not all are known if the exploration ended early.
  for (let node = child[0]; node; node = next[node]) if (open[node]) open[0] = 1;
  return { nodes, parent, step, values, depth, first, last, child, next, open, total, failed, leaves };
})();
const { parent, child, next, leaves } = tree;
const stepOf = (node) => steps[tree.step[node]];
const children = (node) => { const all = []; for (let at = child[node]; at; at = next[at]) all.push(at); return all; };
const isChoice = (node) => child[node] !== 0 && next[child[node]] !== 0;
const leafOf = (node) => { for (let at = tree.first[node]; at <= tree.last[node]; at++) if (!leaves[at].cut) return at; return -1; };
const pathTo = (node) => { const path = []; for (; node; node = parent[node]) path.push(node); return path.reverse(); };
const failing = (node) => tree.failed[node] === tree.total[node];
// A proof needs all executions below: none drawn, reduced or left out.
const proved = (node) => data.proves && !tree.open[node];
const isLost = (node) => node && proved(node) && failing(node) && !failing(parent[node]);
const lanes = threads.map((thread, index) => ({ ...thread, sign: thread.label.length < 3 ? thread.label : thread.label.replace(/[^\p{L}\p{N}#]/gu, '').slice(0, 2) || '#' + thread.number, colour: `var(--t${index % 8})` }));
const actorOf = (step) => step.a === -1 ? 'time' : step.a === -2 ? 'another OS thread' : lanes[step.a].label;
const wordsOf = (node) => {
  const shown = valuesOf(node).map(([name, value]) => `${name} = ${value}`);
  return stepOf(node).l.map((line) => line[0]).concat(shown).filter(Boolean).join('; ') || 'runs';
};
function valuesOf(node) {
  const list = tree.values[node] ? data.values[tree.values[node] - 1] : [];
  const pairs = [];
  for (let at = 0; at < list.length; at += 2) pairs.push([data.strings[list[at]], data.strings[list[at + 1]]]);
  return pairs;
}
const placeOf = (node) => { const line = stepOf(node).l.find((line) => line.length > 1); return line && { file: line[1], line: line[2] }; };
const shortPlace = (at) => at ? `${data.files[at.file].name.split(/[\/\\]/).pop()}:${at.line}` : '';
const sourceAt = (at) => at && data.files[at.file].lines[at.line];

// The turns of a path, as words of a schedule: each name once for each turn.
function turnsOf(path) {
  const turns = [];
  for (const node of path) {
    const step = stepOf(node);
    if (step.c) turns.push(step.a === -1 ? '~' : lanes[step.a].label);
    for (const taken of step.t || []) turns.push(`?${taken}`);
  }
  return turns;
}
function scheduleOf(path) {
  const words = data.rules ? [data.rules] : [];
  const turns = turnsOf(path);
  for (let at = 0; at < turns.length;) {
    let end = at + 1;
    if (turns[at][0] !== '?') while (turns[end] === turns[at]) end++;
    words.push(turns[at][0] === '?' ? turns[at] : turns[at] + (turns[at][0] === '#' ? '*' : '') + (end - at));
    at = end;
  }
  return words.join(' ');
}
function parsed(text) {
  const turns = [];
  const word = /\s*(?:(preemptive:|fair:|timed:)|(\?\d+)|('(?:[^'\\]|\\.)*'|#\d+|~|[\p{Alphabetic}_-]+)\*?(\d*))/uy;
  for (let found; word.lastIndex < text.trimEnd().length;) {
    found = word.exec(text);
    if (!found) return null;
    if (found[2]) turns.push(found[2]);
    else if (found[3]) for (let n = Math.min(Number(found[4] || 1), 1e5); n > 0; n--) turns.push(found[3]);
  }
  return turns;
}
// Returns the path of a schedule, and a sentence if it does not fit.
function follow(text) {
  const turns = parsed(text), path = [];
  if (!turns) return { path, why: 'This is no schedule.' };
  let at = 0, node = 0;
  while (child[node]) {
    const all = children(node);
    const fits = all.find((one) => turnsOf([one]).every((turn, index) => turn === turns[at + index] || (at + index >= turns.length && one === all[0])));
    if (!fits) return { path: complete(path), why: `Turn ${at + 1} of the schedule, ${turns[at]}, is not possible there${proved(node) ? '' : ', or not in this page'}.` };
    at += turnsOf([fits]).length;
    path.push(node = fits);
  }
  return { path, why: at < turns.length ? 'The schedule goes on after the end of the execution.' : '' };
}
function complete(path) {
  const node = path[path.length - 1] || 0, leaf = leafOf(node);
  return leaf < 0 ? path : pathTo(leaves[leaf].node);
}

// The states of the threads after `at` steps: absent, ready, waits (and for what); and the values.
function stateAfter(path, at) {
  const threads = lanes.map(() => ({ state: 'absent', why: '', at: null }));
  const values = new Map();
  if (threads[0]) threads[0].state = 'ready';
  for (let index = 0; index < at; index++) {
    const node = path[index], step = stepOf(node);
    for (const [lane, mark] of step.m || []) { threads[lane].state = 'ready'; if (mark === 's') threads[lane].at = placeOf(node); }
    for (const [name, value] of valuesOf(node)) values.set(name, { value, was: values.has(name) ? values.get(name).value : null, at: index });
    if (step.a < 0) continue;
    const thread = threads[step.a];
    const line = step.l.length ? step.l[step.l.length - 1] : [''];
    thread.state = step.e === 'w' ? 'waits' : step.e === 'e' ? 'absent' : 'ready';
    thread.ended = step.e === 'e';
    thread.why = step.e === 'w' ? line[0] : '';
    thread.at = placeOf(node) || thread.at;
  }
  return { threads, values };
}

/* ---- the state of the page ---- */
const view = { path: [], at: 0, mode: 'read', pin: null, history: [], goal: 0, hint: false, reveal: false, asks: false, asked: null, note: '', timer: 0, shownRows: 200, query: '', won: new Set() };
const nodeAt = () => view.at ? view.path[view.at - 1] : 0;
const leafIndex = new Map();
leaves.forEach((leaf, index) => { if (!leaf.cut && !leafIndex.has(leaf.node)) leafIndex.set(leaf.node, index); });
const leafOfPath = (path) => { const at = leafIndex.get(path[path.length - 1]); return at == null ? null : leaves[at]; };
const lostAt = (path) => path.findIndex(isLost);
function remember() { view.history.push([view.path, view.at, view.pin]); if (view.history.length > 500) view.history.shift(); }
function undo() { const last = view.history.pop(); if (last) { [view.path, view.at, view.pin] = last; view.asked = null; draw(); } }
function go(at) { view.at = Math.max(0, Math.min(view.path.length, at)); view.asked = null; draw(); }
function open(path, at) { remember(); view.path = path; view.at = at == null ? path.length : at; view.asked = null; draw(); }
function choose(node) {
  remember();
  const before = view.path;
  const taken = view.at < before.length && before[view.at] === node;
  if (!taken && view.at < before.length && leafOfPath(before)) view.pin = before;
  if (!taken) view.path = complete(pathTo(node));
  view.at++;
  // Where there is nothing to choose, a learner goes on to the next choice.
  if (view.mode === 'play') while (view.at < view.path.length && !isChoice(nodeAt())) view.at++;
  view.asked = null;
  draw();
}
function choicePoint(from, by) {
  for (let at = from + by; at >= 0 && at <= view.path.length; at += by) if (isChoice(at ? view.path[at - 1] : 0) || at === 0 || at === view.path.length) return at;
  return from;
}
const firstChoice = () => isChoice(0) ? 0 : choicePoint(0, 1);
function nearestPassing(path) {
  for (let at = path.length - 1; at >= 0; at--) {
    const above = at ? path[at - 1] : 0;
    if (failing(above)) continue;
    for (let leaf = tree.first[above]; leaf <= tree.last[above]; leaf++) if (!leaves[leaf].cut && !leaves[leaf].result.fails) return pathTo(leaves[leaf].node);
  }
  return null;
}

/* ---- goals ---- */
const goals = data.goals.length ? data.goals : (() => {
  const all = outcomes.map((outcome, index) => ({ outcome, index }));
  const list = all.filter(({ outcome }) => outcome.fails).slice(0, 20).map(({ outcome, index }) => ({ words: `Make it fail: ${outcome.label}`, outcomes: [index] }));
  const passing = all.filter(({ outcome }) => !outcome.fails).sort((one, other) => one.outcome.count - other.outcome.count);
  if (passing.length) list.push({ words: `Make it end with ${passing[0].outcome.label}`, outcomes: [passing[0].index] });
  return list;
})();
const wanted = () => goals[view.goal] ? goals[view.goal].outcomes : [];
const goalLeaf = (node) => { const fits = wanted(); for (let at = tree.first[node]; at <= tree.last[node]; at++) if (fits.includes(leaves[at].outcome)) return at; return -1; };

/* ---- parts of the page ---- */
const app = document.getElementById('app');
const part = (id, name, attributes, ...children) => el('section', { id, 'aria-label': name, ...attributes }, ...children);
const outcomesPart = part('outcomes', 'Outcomes'), storyPart = part('story', 'Story', { tabindex: '-1' }), sidePart = part('side', 'State');
const mapPart = part('map', 'Overview', { class: 'wide' }), pinPart = part('pin', 'Compare', { class: 'wide' }), aboutPart = part('about', 'About this page', { class: 'wide' });
const bar = el('nav', { id: 'bar', 'aria-label': 'Steps' });
const status = el('p', { role: 'status', 'aria-live': 'polite', id: 'status' });
const button = (words, act, more) => el('button', { type: 'button', onclick: act, ...more }, words);
const headButtons = {};

function copy(text, said) {
  const failed = () => say(`Not copied: ${text}`);
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => say(said), failed); else failed();
}
function say(words) { view.note = words; status.textContent = visible(words); }
function save(name, type, content) {
  const link = el('a', { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  document.body.append(link); link.click(); link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
const fileName = () => (data.test || 'interleavings').replace(/[^\w-]+/g, '_');

function drawHead() {
  const choose = (label, key, options, act) => {
    const box = el('select', { 'aria-label': label, onchange: (event) => act(event.target.value) }, options.map(([value, words]) => el('option', { value }, words)));
    headButtons[key] = box;
    return box;
  };
  const exports = [['', 'Save as'], ['text', 'Text'], ['json', 'JSON']];
  const copies = [['', 'Copy'], ['schedule', 'Schedule'], ['replay', 'Replay call'], ['command', 'Command line'], ['story', 'Story as text'], ['link', 'Link']];
  fill(document.getElementById('head'),
    el('p', { class: 'faint' }, [data.test && `Test ${data.test}`, `leno ${data.version}`].filter(Boolean).join(', ')),
    el('div', { class: 'row' },
      choose('Mode', 'mode', [['read', 'Read'], ['present', 'Present'], ['play', 'Play']], setMode),
      choose('Colours', 'theme', [['auto', 'Auto colours'], ['light', 'Light'], ['dark', 'Dark']], setTheme),
      choose('Copy', 'copy', copies, (what) => { headButtons.copy.value = ''; copyAs(what); }),
      choose('Save', 'save', exports, (what) => { headButtons.save.value = ''; saveAs(what); }),
      button('Keys', () => help.showModal())));
}
function setMode(mode) {
  view.mode = mode; headButtons.mode.value = mode; view.asked = null;
  document.body.className = mode;
  if (mode === 'play') view.at = firstChoice();
  draw();
}
function setTheme(theme) {
  const dark = theme === 'dark' || (theme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  headButtons.theme.value = theme;
  try { localStorage.setItem('leno-theme', theme); } catch { /* not from every file */ }
  drawMap();
}

function drawOutcomes() {
  const here = leafOfPath(view.path);
  const fits = outcomes.map((outcome, index) => ({ outcome, index })).filter(({ outcome }) => !view.query || (outcome.label + ' ' + outcome.schedule).toLowerCase().includes(view.query.toLowerCase()));
  const firstLeaf = new Map();
  leaves.forEach((leaf, index) => { if (!leaf.cut && !firstLeaf.has(leaf.outcome)) firstLeaf.set(leaf.outcome, index); });
  const rows = fits.slice(0, view.shownRows).map(({ outcome, index }) => el('li', {}, button([
    el('span', { class: outcome.fails ? 'bad' : '' }, `${outcome.fails ? 'Fails: ' : ''}${outcome.label}`),
    span('faint', ` ${grouped(outcome.count)} x`),
    el('br'), el('code', {}, outcome.schedule || 'first come, first served'),
  ], () => {
    const leaf = firstLeaf.get(index);
    if (leaf == null) return say('The steps of this outcome are not in this page; copy its schedule to replay it.');
    view.pin = null;
    open(pathTo(leaves[leaf].node), view.mode === 'read' ? null : 0);
  }, { 'aria-current': here && here.outcome === index ? 'true' : false })));
  const search = outcomesPart.querySelector('input') || el('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search the outcomes', oninput: (event) => { view.query = event.target.value; view.shownRows = 200; drawOutcomes(); } });
  const had = document.activeElement === search;
  fill(outcomesPart, el('h2', {}, `${plural(outcomes.length, 'outcome')} of ${unit(data.executions)}`), search, el('ul', {}, rows),
    fits.length > view.shownRows && button(`${grouped(fits.length - view.shownRows)} more`, () => { view.shownRows += 200; drawOutcomes(); }));
  if (had) search.focus();
}

const ROWS = 400;
function laneCells(path, index, states, hidden) {
  const node = path[index], step = stepOf(node), cells = [];
  lanes.forEach((lane, place) => {
    const mark = (step.m || []).find((mark) => mark[0] === place);
    const state = states[place];
    cells.push(el('td', { class: 'lane', 'aria-hidden': 'true', style: `color:${lane.colour}` },
      !hidden && state !== 'absent' && el('i', { class: state }),
      !hidden && step.a === place && el('b', {}, lane.sign),
      !hidden && step.a !== place && mark && el('b', { class: 'mark' }, { s: 'new', w: 'up', x: 'x' }[mark[1]])));
  });
  return cells;
}
function table(path, at, caption, pinned) {
  const from = Math.max(0, Math.min(at - ROWS / 2, path.length - ROWS)), to = Math.min(path.length, from + ROWS);
  const until = view.mode === 'read' || pinned ? to : Math.min(to, at);
  const leaf = leafOfPath(path), lost = lostAt(path), rows = [];
  const used = lanes.map((lane, place) => place).filter((place) => lanes.length <= 8 || path.some((node) => stepOf(node).a === place)).slice(0, 8);
  let turn = turnsOf(path.slice(0, from)).length;
  const now = stateAfter(path, from).threads.map((thread) => thread.state);
  for (let index = from; index < until; index++) {
    const node = path[index], step = stepOf(node), turns = turnsOf([node]).length, later = index >= at && !pinned;
    const wrong = leaf && leaf.wrong === index;
    const cells = laneCells(path, index, now, false).filter((cell, place) => used.includes(place));
    for (const [lane] of step.m || []) now[lane] = 'ready';
    if (step.a >= 0) now[step.a] = step.e === 'w' ? 'waits' : step.e === 'e' ? 'absent' : 'ready';
    rows.push(el('tr', { class: [later && 'later', wrong && 'fail', pinned && index >= pinned.from && 'differs'].filter(Boolean).join(' ') || false, 'aria-current': index === at - 1 && !pinned ? 'step' : false },
      el('th', { scope: 'row', class: 'num' }, String(index + 1)),
      cells,
      el('td', {}, el('strong', {}, actorOf(step)), turns ? span('faint', ` turn ${turn + 1}`) : el('span', { class: 'faint', title: 'only one could run' }, ' forced')),
      el('td', { class: 'what', onclick: () => { if (!pinned) go(index + 1); } },
        index === lost && span('badge bad', 'lost here'), wrong && span('badge bad', 'seen here'), wordsOf(node)),
      el('td', { class: 'where' }, el('code', {}, shortPlace(placeOf(node))))));
    turn += turns;
  }
  return el('table', { class: 'steps' }, el('caption', {}, caption),
    el('thead', {}, el('tr', {}, el('th', { scope: 'col', class: 'num' }, 'Step'), used.map((place) => el('th', { class: 'lane', scope: 'col', 'aria-hidden': 'true', style: `color:${lanes[place].colour}` }, lanes[place].sign)),
      el('th', { scope: 'col' }, 'Thread'), el('th', { scope: 'col' }, 'What it does'), el('th', { scope: 'col', class: 'where' }, 'Line'))),
    el('tbody', {}, rows, (from > 0 || to < path.length) && el('tr', {}, el('td', { colspan: String(used.length + 4), class: 'faint' }, `Steps ${from + 1} to ${to} of ${grouped(path.length)} are in this table.`))));
}
function sentence() {
  if (!view.at) return `Before the first of ${plural(view.path.length, 'step')}.`;
  const node = nodeAt(), step = stepOf(node), leaf = leafOfPath(view.path);
  const end = view.at === view.path.length && leaf ? ` Result: ${leaf.result.label}.` : '';
  return `Step ${view.at} of ${view.path.length}: ${actorOf(step)}: ${wordsOf(node)}.${isLost(node) ? ' Lost here: every continuation fails.' : ''}${end}`;
}
function drawStory() {
  const leaf = leafOfPath(view.path);
  const hides = view.mode !== 'read' && view.at < view.path.length;
  const here = view.at === view.path.length;
  fill(storyPart, status,
    view.mode === 'play' && play(),
    table(view.path, view.at, hides ? 'The steps so far' : `The steps of the schedule ${scheduleOf(view.path) || '(first come, first served)'}`),
    here && leaf && el('p', { class: leaf.result.fails ? 'bad' : 'good' }, `${leaf.result.fails ? 'Fails: ' : 'Result: '}${leaf.result.message || leaf.result.label}`),
    nextPart());
  status.textContent = visible(view.note || sentence());
  view.note = '';
  const current = storyPart.querySelector('tr[aria-current]');
  if (current && view.path.length > 12) current.scrollIntoView({ block: 'nearest' });
}
function nextPart() {
  const node = nodeAt(), all = children(node), cut = leaves.filter((leaf) => leaf.node === node && leaf.cut).reduce((sum, leaf) => sum + leaf.count, 0);
  if (!all.length && !cut) return null;
  const state = stateAfter(view.path, view.at).threads;
  const counts = view.mode === 'read' || view.hint;
  const others = state.map((thread, lane) => ({ thread, lane })).filter(({ thread, lane }) => !all.some((one) => stepOf(one).a === lane) && (thread.state !== 'absent' || thread.ended))
    .map(({ thread, lane }) => el('li', { class: 'faint' }, `${lanes[lane].label} cannot run: ${thread.ended ? 'it has ended' : thread.state === 'waits' ? thread.why || 'it waits' : 'it lets others go first'}`));
  return el('section', { id: 'next', 'aria-label': 'What runs next?' },
    el('h2', {}, all.length > 1 ? 'What runs next?' : all.length ? 'Only one could run' : 'Not in this page'),
    el('ul', {}, all.slice(0, 40).map((one, index) => {
      const step = stepOf(one), at = placeOf(one), arms = (step.t || []).map((taken) => `?${taken}`).join(' ');
      const firstLine = sourceAt(at);
      const below = outcomesBelow(one);
      return el('li', {}, button([
        el('strong', { style: step.a >= 0 ? `color:${lanes[step.a].colour}` : '' }, `${index + 1}. ${step.a === -1 ? '~ time passes' : actorOf(step)} ${arms}`),
        span('line code', firstLine ? `${shortPlace(at)}  ${firstLine.trim()}` : wordsOf(one)),
        counts && span('faint', `${unit(tree.total[one])} below, ${below}`),
        counts && failing(one) && span('bad', proved(one) ? ' all fail' : ' all that are known fail'),
      ], () => choose(one), { class: view.path[view.at] === one && view.mode === 'read' ? 'taken' : false }));
    }), all.length > 40 && el('li', {}, `${all.length - 40} more alternatives; type a schedule below.`), others),
    cut > 0 && p(`+ ${unit(cut)} below, not in this page: `, el('code', {}, `${data.replay}(${JSON.stringify(scheduleOf(view.path.slice(0, view.at)))}, program)`)));
}
function outcomesBelow(node) {
  const counts = new Map();
  for (let at = tree.first[node]; at <= tree.last[node] && counts.size < 50; at++) counts.set(leaves[at].outcome, 1);
  if (counts.size === 1) return `always ${outcomes[counts.keys().next().value].label}`;
  return `${counts.size >= 50 ? 'at least ' : ''}${plural(counts.size, 'outcome')}`;
}
function play() {
  const goal = goals[view.goal];
  if (!goal) return p('There is no outcome to aim at.');
  const leaf = view.at === view.path.length ? leafOfPath(view.path) : null;
  const reached = leaf && goal.outcomes.includes(leaf.outcome);
  if (reached) view.won.add(view.goal);
  const possible = goalLeaf(nodeAt()) >= 0, certain = possible || proved(nodeAt());
  const answer = (yes) => { view.asked = yes === possible ? `Right: it is ${possible ? '' : 'not '}possible.` : certain ? `No: it is ${possible ? 'still possible' : 'not possible any more'}.` : 'This page does not know: not all executions are in it.'; draw(); };
  return el('div', {},
    row(el('select', { 'aria-label': 'Goal', onchange: (event) => { view.goal = Number(event.target.value); view.at = firstChoice(); view.hint = false; draw(); } },
      goals.map((one, index) => el('option', { value: String(index), selected: index === view.goal }, `${view.won.has(index) ? 'done: ' : ''}${visible(one.words).slice(0, 90)}`)))),
    p(el('strong', {}, goal.words)),
    el('div', { class: 'row' },
      button('Start again', () => go(firstChoice())), button('Undo', undo, { disabled: !view.history.length }),
      button('Hint: counts', () => { view.hint = !view.hint; draw(); }, { 'aria-pressed': String(view.hint) }),
      button('Show me', () => { const at = goalLeaf(0); if (at < 0) return say('No execution in this page does that.'); say(`A schedule: ${scheduleOf(pathTo(leaves[at].node))}`); }),
      button('It is impossible', () => { say(goalLeaf(0) >= 0 ? 'No, there is a way.' : data.complete ? `Proved: none of all ${unit(data.executions)} does that.` : 'Not proved: not all executions are in this page.'); }),
      button('Ask me first', () => { view.asks = !view.asks; view.asked = null; draw(); }, { 'aria-pressed': String(view.asks) })),
    view.asks && !leaf && row(el('span', {}, 'Is the goal still possible?'), button('Yes', () => answer(true)), button('No', () => answer(false)), view.asked && el('strong', {}, view.asked)),
    reached && el('p', { class: 'good' }, 'Reached.'), leaf && !reached && el('p', { class: 'bad' }, `Not reached: ${leaf.result.label}`));
}

function drawSide() {
  const state = stateAfter(view.path, view.at), current = nodeAt();
  const running = current ? stepOf(current).a : -1;
  const at = current ? placeOf(current) : null;
  const signs = new Map();
  state.threads.forEach((thread, lane) => { if (thread.at && !thread.ended) { const key = `${thread.at.file}:${thread.at.line}`; signs.set(key, (signs.get(key) || []).concat(lane)); } });
  const places = [at, ...state.threads.filter((thread) => thread.at && !thread.ended).map((thread) => thread.at)].filter(Boolean);
  const shown = new Map();
  for (const place of places) for (let line = place.line - 4; line <= place.line + 4; line++) {
    const text = data.files[place.file].lines[line];
    if (text != null) { if (!shown.has(place.file)) shown.set(place.file, new Map()); shown.get(place.file).set(line, text); }
  }
  const code = [...shown].map(([file, lines]) => {
    const sorted = [...lines].sort((one, other) => one[0] - other[0]), indent = Math.min(...sorted.filter(([, text]) => text.trim()).map(([, text]) => text.length - text.trimStart().length));
    let before = 0;
    return [el('p', { class: 'faint' }, data.files[file].name), el('div', { class: 'source code', tabindex: '0', role: 'group', 'aria-label': `Source of ${data.files[file].name}` }, sorted.map(([line, text]) => {
      const here = (signs.get(`${file}:${line}`) || []).map((lane) => lanes[lane].sign).join(' ');
      const gap = before && line > before + 1 ? span('faint', '...') : null;
      before = line;
      return [gap, el('span', { class: at && at.file === file && at.line === line ? 'here' : '' }, `${String(line).padStart(4)} ${here.padEnd(8)} ${text.slice(indent)}`)];
    }).flat().filter(Boolean))];
  });
  const values = [...state.values].map(([name, value]) => el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, value.at === view.at - 1 && value.was != null && value.was !== value.value ? [span('was', `${value.was} -> `), span('new', value.value)] : value.value)));
  const states = state.threads.map((thread, lane) => ({ thread, lane })).filter(({ thread }) => thread.state !== 'absent' || thread.ended);
  fill(sidePart, code.length > 0 && el('h2', {}, 'Source'), code.flat(),
    values.length > 0 && el('table', { class: 'values' }, el('caption', {}, 'Shared values'), el('tbody', {}, values)),
    el('table', {}, el('caption', {}, 'Threads'), el('tbody', {}, states.slice(0, 60).map(({ thread, lane }) => el('tr', {},
      el('th', { scope: 'row', style: `color:${lanes[lane].colour}` }, lanes[lane].label),
      el('td', {}, lane === running ? 'has just run; ' : '', thread.ended ? 'has ended' : thread.state === 'waits' ? thread.why || 'waits' : 'can run'))))));
}

/* ---- the overview ---- */
let canvas;
function drawMap() {
  if (!canvas || !canvas.isConnected || !canvas.clientWidth) return;
  const width = canvas.width = canvas.clientWidth * devicePixelRatio, height = canvas.height = 180 * devicePixelRatio;
  const context = canvas.getContext('2d'), style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  const levels = Math.max(1, mapDepth), rowHeight = height / levels, starts = mapStarts(), all = starts[leaves.length] || 1;
  context.clearRect(0, 0, width, height);
  const on = new Set(view.path.slice(0, view.at)), bad = colour('--bad'), good = colour('--good'), paper = colour('--paper'), ink = colour('--ink');
  const stack = children(0), seen = new Map();
  while (stack.length) {
    const node = stack.pop(), level = mapLevel[node];
    const left = starts[tree.first[node]] / all * width, right = starts[tree.last[node] + 1] / all * width;
    if (mapLevel[parent[node]] !== level || parent[node] === 0) {
      if (right - left < 0.5) { const key = level * 1e6 + Math.floor(left * 2); if (seen.has(key)) continue; seen.set(key, 1); }
      const share = tree.failed[node] / tree.total[node], top = (level - 1) * rowHeight;
      context.fillStyle = share === 1 ? bad : share > 0 ? colour('--t2') : good;
      context.globalAlpha = share === 1 ? 1 : share > 0 ? 0.75 : 0.55;
      context.fillRect(left, top, Math.max(0.5, right - left - 1), rowHeight - 1);
      context.globalAlpha = 1;
      if (share === 1 && right - left > 6) { context.strokeStyle = paper; context.beginPath(); for (let x = left - rowHeight; x < right; x += 8 * devicePixelRatio) { const from = Math.max(left, x), to = Math.min(right - 1, x + rowHeight); if (to > from) { context.moveTo(from, top + (from - x)); context.lineTo(to, top + (to - x)); } } context.stroke(); }
      if (on.has(node)) { context.strokeStyle = ink; context.lineWidth = 2 * devicePixelRatio; context.strokeRect(left, top, Math.max(2, right - left - 1), rowHeight - 1); context.lineWidth = 1; }
    }
    for (const one of children(node)) stack.push(one);
  }
}
// The levels are choices: a forced step is at the level of the step before.
const mapLevel = new Int32Array(tree.nodes);
let mapDepth = 0, startsMade;
for (let node = 1; node < tree.nodes; node++) { mapLevel[node] = mapLevel[parent[node]] + (isChoice(parent[node]) ? 1 : 0); mapDepth = Math.max(mapDepth, mapLevel[node]); }
function mapStarts() {
  if (!startsMade) { startsMade = new Float64Array(leaves.length + 1); leaves.forEach((leaf, index) => { startsMade[index + 1] = startsMade[index] + leaf.count; }); }
  return startsMade;
}
function mapClick(event) {
  const box = canvas.getBoundingClientRect(), starts = mapStarts(), want = (event.clientX - box.left) / box.width * starts[leaves.length];
  let leaf = starts.findIndex((start) => start > want) - 1;
  if (leaf < 0) leaf = leaves.length - 1;
  const level = Math.floor((event.clientY - box.top) / box.height * mapDepth) + 1, path = pathTo(leaves[leaf].node);
  const at = path.findIndex((node) => mapLevel[node] >= level);
  open(path, at < 0 ? path.length : at + 1);
}
// Two threads of fixed length: a step to the right or down for each choice and forced step.
function grid() {
  const acting = [...new Set(view.path.map((node) => stepOf(node).a))].filter((lane) => lane > 0);
  if (acting.length !== 2 || view.path.length > 60) return null;
  const [one, other] = acting, of = (path, lane) => path.filter((node) => stepOf(node).a === lane).length;
  const wide = of(view.path, one), high = of(view.path, other);
  if (leaves.slice(0, 50).some((leaf) => { const path = pathTo(leaf.node); return of(path, one) !== wide || of(path, other) !== high; })) return null;
  const size = 36, x = (n) => 40 + n * size, y = (n) => 30 + n * size;
  const drawing = svg('svg', { viewBox: `0 0 ${x(wide) + 20} ${y(high) + 20}`, role: 'img', 'aria-label': `Progress of ${lanes[one].label} to the right and ${lanes[other].label} down` });
  for (let n = 0; n <= wide; n++) drawing.append(svg('path', { d: `M${x(n)} ${y(0)}V${y(high)}`, stroke: 'var(--line)' }));
  for (let n = 0; n <= high; n++) drawing.append(svg('path', { d: `M${x(0)} ${y(n)}H${x(wide)}`, stroke: 'var(--line)' }));
  const trace = (path, colour, dash) => { let d = `M${x(0)} ${y(0)}`, a = 0, b = 0; for (const node of path) { const lane = stepOf(node).a; if (lane === one) d += `H${x(++a)}`; else if (lane === other) d += `V${y(++b)}`; } drawing.append(svg('path', { d, fill: 'none', stroke: colour, 'stroke-width': dash ? 2 : 5, 'stroke-dasharray': dash || 'none' })); };
  if (view.pin) trace(view.pin, 'var(--faint)', '4 4');
  if (view.mode === 'read') trace(view.path, 'var(--line)', '2 3');
  trace(view.path.slice(0, view.at), 'var(--mark)');
  const label = (text, at) => { const words = svg('text', { ...at, fill: 'var(--ink)', 'font-size': 14 }); words.textContent = visible(text); drawing.append(words); };
  label(lanes[one].label, { x: x(0), y: 18 }); label(lanes[other].sign, { x: 8, y: y(0) + 18 });
  return drawing;
}
function svg(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
function drawOverview() {
  const was = mapPart.querySelector('details'), opened = was ? was.open : tree.nodes < 50000;
  canvas = canvas || el('canvas', { role: 'img', 'aria-label': 'All executions. The alternatives are also buttons in the story.', onclick: mapClick });
  const details = el('details', { open: opened, ontoggle: drawMap }, el('summary', {}, 'Overview of all executions'),
    el('p', { class: 'faint' }, 'Width: the number of executions. From above: choice after choice. Red and hatched: all fail. Orange: some fail. Green: none fails.'), canvas, grid());
  fill(mapPart, details);
  drawMap();
}

function drawPin() {
  if (!view.pin || view.mode === 'present') return fill(pinPart);
  const from = view.pin.findIndex((node, index) => node !== view.path[index]);
  const leaf = leafOfPath(view.pin);
  fill(pinPart, el('h2', {}, 'Compare'),
    p(leaf ? `The other execution ${leaf.result.fails ? 'fails' : 'does not fail'}: ${leaf.result.label}. ` : '', from < 0 ? 'It is the same.' : `It differs from step ${from + 1} on.`),
    row(button('Go there', () => { const pin = view.pin; view.pin = view.path; open(pin, from < 0 ? null : from + 1); }), button('Close', () => { view.pin = null; draw(); })),
    table(view.pin, from < 0 ? view.pin.length : from + 1, `The steps of the schedule ${scheduleOf(view.pin)}`, { from: from < 0 ? Infinity : from }));
}

function drawAbout() {
  const field = el('input', { type: 'search', 'aria-label': 'Schedule', placeholder: 'A schedule to go to', value: '' });
  fill(aboutPart, el('h2', {}, 'Go to a schedule'),
    el('form', { class: 'row', onsubmit: (event) => { event.preventDefault(); const found = follow(field.value); open(found.path); if (found.why) say(found.why); } }, field, el('button', { type: 'submit' }, 'Go')),
    el('h2', {}, 'What is not here'), el('ul', {}, data.cuts.map((cut) => el('li', {}, cut))));
}

/* ---- the bar ---- */
const slider = el('input', { type: 'range', min: '0', 'aria-label': 'Step', oninput: () => go(Number(slider.value)) });
const place = el('span', { class: 'faint' });
const moves = {};
function makeBar() {
  const add = (key, words, act, more) => { moves[key] = button(words, act, more); return moves[key]; };
  fill(bar, add('first', 'First', () => go(0), { class: 'opt' }), add('prevChoice', 'Previous choice', () => go(choicePoint(view.at, -1)), { class: 'opt' }), add('back', 'Back', () => go(view.at - 1)),
    add('play', 'Play', playOn), add('forward', 'Forward', forward), add('nextChoice', 'Next choice', () => go(choicePoint(view.at, 1)), { class: 'opt' }), add('last', 'Last', () => go(view.path.length), { class: 'opt' }),
    slider, place, add('pin', 'Pin', () => { view.pin = view.pin ? null : view.path; draw(); }, { class: 'opt' }));
}
function forward() {
  if (view.mode === 'play' && isChoice(nodeAt())) return say('Choose what runs next.');
  go(view.at + 1);
}
function playOn() {
  if (view.timer) { clearInterval(view.timer); view.timer = 0; return draw(); }
  if (view.at === view.path.length) view.at = 0;
  view.timer = setInterval(() => { if (view.at >= view.path.length || (view.mode === 'play' && isChoice(nodeAt()))) { clearInterval(view.timer); view.timer = 0; draw(); } else go(view.at + 1); }, 900);
  draw();
}
function drawBar() {
  slider.max = String(view.mode === 'play' ? view.at : view.path.length);
  slider.disabled = view.mode === 'play';
  slider.value = String(view.at);
  const words = view.mode === 'read' ? `step ${view.at} of ${view.path.length}` : `step ${view.at}`;
  place.textContent = words;
  slider.setAttribute('aria-valuetext', words);
  moves.play.textContent = view.timer ? 'Pause' : 'Play';
  for (const key of ['first', 'back', 'prevChoice']) moves[key].disabled = view.at === 0;
  for (const key of ['forward', 'nextChoice', 'last']) moves[key].disabled = view.at === view.path.length || (view.mode === 'play' && key !== 'forward');
  moves.pin.setAttribute('aria-pressed', String(!!view.pin));
}

/* ---- sharing ---- */
function link() {
  const parts = [`s=${encodeURIComponent(scheduleOf(view.path))}`, `n=${view.at}`];
  if (view.mode !== 'read') parts.push(`m=${view.mode}`);
  return '#' + parts.join('&');
}
function fromLink() {
  const given = new URLSearchParams(location.hash.slice(1).replace(/\+/g, '%20'));
  if (!given.has('s')) return false;
  const { path, why } = follow(given.get('s'));
  view.path = path;
  view.at = given.has('n') ? Math.max(0, Math.min(path.length, parseInt(given.get('n'), 10) || 0)) : path.length;
  if (['present', 'play'].includes(given.get('m'))) document.body.className = headButtons.mode.value = view.mode = given.get('m');
  if (why) view.note = `The schedule of the link does not fit: ${why}`;
  return true;
}
function storyText() {
  const leaf = leafOfPath(view.path), lost = lostAt(view.path);
  const rows = view.path.map((node, index) => [String(index + 1), actorOf(stepOf(node)), wordsOf(node) + (index === lost ? '  (lost here)' : '') + (leaf && leaf.wrong === index ? '  (seen here)' : ''), shortPlace(placeOf(node))].map(visible));
  return { rows, result: leaf ? `${leaf.result.fails ? 'fails: ' : 'result: '}${visible(leaf.result.label)}` : '' };
}
function asText() {
  const { rows, result } = storyText(), widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column].length)));
  return [data.verdict, '', ...rows.map((row) => row.map((cell, column) => column ? cell.padEnd(widths[column] || 0) : cell.padStart(widths[0])).join('  ').trimEnd()), '', result, `schedule: ${scheduleOf(view.path)}`].join('\n') + '\n';
}
function saveAs(what) {
  const name = fileName();
  if (what === 'text') save(`${name}.txt`, 'text/plain', asText());
  if (what === 'json') save(`${name}.json`, 'application/json', document.getElementById('data').textContent);
}
function copyAs(what) {
  const schedule = scheduleOf(view.path);
  const quote = (text) => `'${text.replace(/'/g, "'\\''")}'`;
  if (what === 'schedule') copy(schedule, 'The schedule is copied.');
  if (what === 'replay') copy(`${data.replay}(${JSON.stringify(schedule)}, program)`, 'The call is copied.');
  if (what === 'command') copy(`LENO_WEAVE_REPLAY=${quote(schedule)} cargo test ${data.test || ''}`.trim(), 'The command line is copied.');
  if (what === 'story') copy(asText(), 'The story is copied.');
  if (what === 'link') copy(location.href.split('#')[0] + link(), 'The link is copied.');
}

/* ---- keys ---- */
const help = el('dialog', { 'aria-label': 'Keys' }, el('h2', {}, 'Keys'), p('Letters, digits and space act while the focus is in the story.'),
  el('ul', {}, ['Left, Right: a step', 'Shift with Left, Right: a choice', 'Home, End: first, last', 'Page Down, Page Up: a step, when presenting', '1 to 9: what runs next', 'Space: play or pause', 'u: undo', 'c: copy the schedule', '/: search the outcomes', '?: this list'].map((line) => el('li', {}, line))),
  el('form', { method: 'dialog' }, el('button', {}, 'Close')));
function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || help.open) return;
  const focus = document.activeElement, tag = focus ? focus.tagName : '';
  if (/^(INPUT|SELECT|TEXTAREA|SUMMARY)$/.test(tag)) return;
  const inStory = storyPart.contains(focus) || view.mode === 'present';
  const acts = {
    ArrowLeft: () => go(event.shiftKey ? choicePoint(view.at, -1) : view.at - 1), ArrowRight: () => event.shiftKey && view.mode !== 'play' ? go(choicePoint(view.at, 1)) : forward(),
    Home: () => go(0), End: () => view.mode === 'play' ? say('Choose what runs next.') : go(view.path.length),
  };
  if (view.mode === 'present') { acts.PageDown = forward; acts.PageUp = () => go(view.at - 1); }
  if (inStory) {
    Object.assign(acts, { u: undo, c: () => copyAs('schedule'), '/': () => outcomesPart.querySelector('input').focus(), '?': () => help.showModal() });
    if (tag !== 'BUTTON') acts[' '] = playOn;
    const digit = /^[1-9]$/.test(event.key) && children(nodeAt())[Number(event.key) - 1];
    if (digit) acts[event.key] = () => choose(digit);
  }
  if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
}

function draw() {
  const inStory = storyPart.contains(document.activeElement);
  drawOutcomes(); drawStory(); drawSide(); drawOverview(); drawPin(); drawBar();
  if (inStory && !storyPart.contains(document.activeElement)) storyPart.focus({ preventScroll: true });
  try { history.replaceState(null, '', link()); } catch { /* a page inside another page */ }
}

/* ---- begin ---- */
function begin() {
  drawHead(); makeBar(); drawAbout();
  fill(app, outcomesPart, storyPart, sidePart, mapPart, pinPart, aboutPart);
  document.body.append(bar, help);
  document.getElementById('still').hidden = true;
  app.hidden = false;
  let theme = 'auto';
  try { theme = localStorage.getItem('leno-theme') || 'auto'; } catch { /* not from every file */ }
  if (!fromLink()) {
    const bad = leaves.findIndex((leaf) => !leaf.cut && leaf.result.fails);
    const leaf = bad >= 0 ? bad : leafOf(0);
    view.path = leaf < 0 ? [] : pathTo(leaves[leaf].node);
    const lost = lostAt(view.path);
    view.at = lost >= 0 ? lost + 1 : bad >= 0 ? Math.max(leaves[leaf].wrong + 1, 0) || view.path.length : firstChoice();
    if (bad >= 0) view.pin = nearestPassing(view.path);
  }
  setTheme(theme);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => setTheme(headButtons.theme.value));
  addEventListener('keydown', key);
  addEventListener('hashchange', () => { if (location.hash !== link() && fromLink()) draw(); });
  addEventListener('resize', drawMap);
  draw();
  if (view.mode === 'present') storyPart.focus();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}
begin();
})();
