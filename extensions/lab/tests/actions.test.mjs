/** What comes of Halt and of Halt & flatten, by what each kernel answers; JupyterLab's own parts are stand-ins. */

import assert from 'node:assert/strict';
import { register } from 'node:module';
import { beforeEach, test } from 'node:test';

const STANDINS = {
  '@jupyterlab/apputils': `
    export const Dialog = { cancelButton: () => ({}), warnButton: () => ({}) };
    export const Notification = {
      emit: message => String(globalThis.told.push({ message }) - 1),
      update: note => { globalThis.told[note.id] = note; return true; }
    };
    export const showDialog = async () => ({ button: { accept: true } });`,
  '@lumino/signaling': 'export class Signal { emit() {} }'
};
const resolver = `
  const standins = ${JSON.stringify(STANDINS)};
  export const resolve = (name, context, next) => name in standins
    ? { url: 'data:text/javascript,' + encodeURIComponent(standins[name]), shortCircuit: true }
    : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(resolver)}`);
globalThis.window = { setTimeout: () => 0 };
const { Actions } = await import('../lib/actions.js');

const row = (name, kernel = 'k') => ({ kernel, desk: { name, label: 'PAPER' } });
const never = new Promise(() => undefined);
const outcome = (name, done, text) => ({ desk: name, label: 'PAPER', state: 'HALTED', done, text });
const answer = (name, done, text) => ({ outcomes: [outcome(name, done, text)], error: '' });
let asked;

/** Kernels that answer a halt as `halts` says by the desk's name, null = not in time; and close everything. */
const actions = halts =>
  new Actions({
    changed: { connect: () => undefined },
    home: () => ({ name: 'book.ipynb', path: null }),
    ask: async (kernel, { action, desk }) => {
      asked.push(`${action} ${desk}`);
      const reply = action === 'halt' ? halts[desk] : answer(desk, true, 'flatten: all closed');
      return { reply, late: never };
    }
  });
const messages = () => globalThis.told.map(note => note.message);

beforeEach(() => {
  asked = [];
  globalThis.told = [];
});

test('a desk that is halted, though not all is confirmed, is flattened, and is not offered for killing', async () => {
  const text = 'halt: NOT COMPLETE: HALTED; BTC/USDT:USDT 0.003 without a stop\n  positions: x';
  const made = actions({ slow: answer('slow', false, text) });
  await made.flatten([row('slow')]);
  assert.deepEqual(asked, ['halt slow', 'flatten slow']);
  assert.deepEqual(messages(), [
    'slow (PAPER): NOT confirmed. NOT COMPLETE: HALTED; BTC/USDT:USDT 0.003 without a stop.',
    'slow (PAPER): all closed.'
  ]);
  assert.deepEqual(globalThis.told[0].actions, []);
  assert.equal(made.progress(row('slow')), null);
});

test('of two desks in a kernel each stands for itself', async () => {
  const made = actions({ quick: answer('quick', true, 'halt: HALTED'), hangs: null });
  await made.flatten([row('quick'), row('hangs')]);
  assert.deepEqual(asked, ['halt quick', 'halt hangs', 'flatten quick']);
  assert.equal(made.progress(row('quick')), null);
  assert.equal(made.progress(row('hangs')), 'unconfirmed');
  const [quick, hangs] = messages();
  assert.match(quick, /^quick \(PAPER\) is HALTED/);
  assert.match(hangs, /^hangs: halt NOT confirmed within 5 s\. Positions were not closed\./);
  assert.deepEqual(globalThis.told[1].actions.map(action => action.label), ['Kill kernel\u2026']);
});

test('where nothing was begun nothing is flattened', async () => {
  const made = actions({ gone: { outcomes: [], error: 'its kernel has ended' } });
  await made.flatten([row('gone')]);
  assert.deepEqual(asked, ['halt gone']);
  assert.deepEqual(messages(), ['gone: NOT halted: its kernel has ended.']);
});
