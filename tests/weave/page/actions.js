'use strict';
const found = [];
let errors = 0;
addEventListener('error', () => { errors += 1; });
addEventListener('securitypolicyviolation', () => { errors += 1; });

const status = () => found.push(document.getElementById('status').textContent);
const link = () => found.push(decodeURIComponent(location.hash));
function press(key, shiftKey = false) {
  document.getElementById('story').focus();
  document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, shiftKey, bubbles: true }));
}
function click(words) {
  const buttons = [...document.querySelectorAll('button')];
  buttons.find((button) => button.textContent.includes(words)).click();
}

const actions = {
  keys() {
    status(); link();
    press('ArrowRight'); status();
    press('Home'); status();
    press('1'); press('1'); status();
    press('2'); link();
    press('u'); link();
  },
  play() {
    for (const thread of ['. main', '. A', '. A']) click(thread);
    found.push(document.querySelector('#story .good').textContent);
    const goals = document.querySelector('select[aria-label="Goal"]');
    goals.value = '1';
    goals.dispatchEvent(new Event('change'));
    click('It is impossible'); status();
  },
  nothing: status,
};

function act(name) {
  actions[name]();
  const element = document.createElement('pre');
  element.id = 'found';
  element.textContent = [...found, `errors: ${errors}`].join('\n');
  document.body.append(element);
}
