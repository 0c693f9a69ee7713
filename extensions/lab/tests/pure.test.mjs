/** The parts that know no JupyterLab; run by `npm test`, and by tests/test_extension.py on what was built. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Board, STALE_MS, totals, worst } from '../lib/board.js';
import { desksOf, replyOf } from '../lib/protocol.js';
import { alertText, duration, heard, money, outcomeText, protection, signed, summary } from '../lib/words.js';

const desk = (changes = {}) => ({
  name: 'main',
  label: 'PAPER',
  venue: 'binance',
  state: 'ACTIVE',
  reason: '',
  breaker: '',
  asset: 'USDT',
  equity: '10012.330000',
  unrealized_pnl: '-1.50',
  margin_ratio: 0.029,
  holding: true,
  protected_fraction: 1,
  naked_s: 0,
  feed_age_ms: 82.5,
  private_stream_ready: true,
  loop_lag_ms: 1,
  silent_ms: 20,
  ...changes
});
const beat = (...desks) => ({ sequence: 1, period_s: 1, desks });
const one = changes => desksOf(beat(desk(changes)))[0];
const rows = (...desks) => {
  const board = new Board();
  board.hear('k', beat(...desks), 0);
  return board.rows(100);
};
/** Beats once a second and looks twice, from `from` to `to`. */
const live = (board, from, to, changes = {}) => {
  const alerts = [];
  for (let now = from; now <= to; now += 500) {
    if (now % 1_000 === 0) {
      alerts.push(...board.hear('k', beat(desk(changes)), now));
    }
    alerts.push(...board.look(now));
  }
  return alerts;
};
const kinds = alerts => alerts.map(alert => alert.kind);

test('a beat is read field by field', () => {
  const found = one();
  assert.equal(found.equity, 10012.33);
  assert.equal(found.unrealizedPnl, -1.5);
  assert.equal(found.marginRatio, 0.029);
  assert.equal(found.feedAgeMs, 82.5);
  assert.equal(found.holding, true);
});

test('what is no beat is none, and what is missing harms nothing', () => {
  for (const content of [null, undefined, 7, 'x', [], {}, { desks: 'x' }, { desks: null }]) {
    assert.equal(desksOf(content), null);
  }
  assert.deepEqual(desksOf({ desks: [null, 3, {}, { name: '' }] }), []);
  const [bare] = desksOf({ desks: [{ name: 'bare', equity: 'much', margin_ratio: 'NaN' }] });
  assert.ok(Number.isNaN(bare.equity));
  assert.equal(bare.marginRatio, null);
  assert.equal(bare.protectedFraction, 0);
});

test('a reply is read, and what is none is none', () => {
  const outcome = { desk: 'main', label: 'PAPER', state: 'HALTED', done: true, text: 'halt: HALTED' };
  assert.deepEqual(replyOf({ outcomes: [outcome], error: '' }), { outcomes: [outcome], error: '' });
  assert.equal(replyOf({ outcomes: [{ ...outcome, done: 1 }], error: '' }).outcomes[0].done, false);
  assert.equal(replyOf({ status: 'ok' }), null);
  assert.equal(replyOf(null), null);
});

test('a desk is stale after 3.5 s without a word, and told once; then that it is back', () => {
  const board = new Board();
  assert.deepEqual(live(board, 0, 2_000), []);
  assert.equal(board.rows(2_000 + STALE_MS)[0].stale, false);
  assert.equal(board.rows(2_001 + STALE_MS)[0].standing, 'STALE');
  const alerts = [];
  for (let now = 2_500; now <= 20_000; now += 500) {
    alerts.push(...board.look(now));
  }
  assert.deepEqual(kinds(alerts), ['stale']);
  assert.deepEqual(kinds(live(board, 21_000, 24_000)), ['back']);
});

test('a desk whose kernel speaks but which makes no pictures is stale, too', () => {
  const board = new Board();
  assert.deepEqual(live(board, 0, 1_000), []);
  assert.deepEqual(kinds(live(board, 2_000, 5_000, { silent_ms: 3_600 })), ['stale']);
  const [row] = board.rows(5_200);
  assert.equal(row.standing, 'STALE');
  assert.equal(heard(row), 'silent for 3.8 s');
  assert.deepEqual(kinds(live(board, 6_000, 7_000)), ['back']);
  assert.equal(heard(board.rows(7_400)[0]), 'live');
  assert.equal(heard(board.rows(9_400)[0]), '2.4 s ago');
});

test('after the browser has slept nobody is alarmed before the desk had time to speak', () => {
  const board = new Board();
  live(board, 0, 2_000);
  assert.deepEqual(board.look(600_000), []);
  assert.deepEqual(board.hear('k', beat(desk()), 600_200), []);
  assert.deepEqual(board.look(600_500), []);
});

test('and where it stays silent after a sleep that is told', () => {
  const board = new Board();
  live(board, 0, 2_000);
  assert.deepEqual(board.look(600_000), []);
  assert.deepEqual(kinds(board.look(660_000)), ['stale']); // a page in the background looks once a minute
});

test('a breaker is told when it trips, or is found tripped, and again after a reset', () => {
  const board = new Board();
  const tripped = { state: 'HALTED', breaker: 'tripped: -8.31 % of equity within 300 s' };
  assert.deepEqual(kinds(live(board, 0, 3_000, tripped)), ['breaker']);
  assert.deepEqual(kinds(live(board, 4_000, 6_000)), []);
  const [alert] = live(board, 7_000, 9_000, tripped);
  assert.equal(
    alertText(alert, 'a.ipynb'),
    'main (PAPER, a.ipynb): the breaker has tripped. -8.31 % of equity within 300 s. The desk is HALTED.'
  );
});

test('a desk that a beat does not name is closed; one whose kernel ends is lost', () => {
  const board = new Board();
  board.hear('k', beat(desk(), desk({ name: 'other' })), 0);
  assert.deepEqual(board.hear('k', beat(desk()), 100), []);
  assert.deepEqual(board.rows(100).map(row => row.desk.name), ['main']);
  const [lost] = board.forget('k');
  assert.match(alertText(lost, 'a.ipynb'), /has ended with its kernel\. Stops stay at the venue/);
  assert.deepEqual(board.rows(100), []);
  assert.deepEqual(board.forget('k'), []);
});

test('rows stay where they are, whatever becomes of them', () => {
  const board = new Board();
  board.hear('2', beat(desk({ name: 'b' })), 0);
  board.hear('1', beat(desk({ name: 'c', state: 'HALTED' }), desk({ name: 'a' }), desk({ name: 'b' })), 0);
  const order = board.rows(10).map(row => `${row.desk.name}${row.kernel}`);
  assert.deepEqual(order, ['a1', 'b1', 'b2', 'c1']);
});

test('the worst of all stands for all', () => {
  assert.equal(worst([]), null);
  assert.equal(worst(rows(desk())), 'ACTIVE');
  assert.equal(worst(rows(desk(), desk({ name: 'b', state: 'REDUCING' }))), 'REDUCING');
  assert.equal(worst(rows(desk({ state: 'HALTED' }), desk({ name: 'b', naked_s: 0.4 }))), 'NAKED');
  assert.equal(worst(rows(desk({ state: 'HALTED' }), desk({ name: 'b', protected_fraction: 0.5 }))), 'NAKED');
  assert.equal(worst(rows(desk({ silent_ms: 4_000 }), desk({ name: 'b', naked_s: 0.4 }))), 'STALE');
  assert.equal(worst(rows(desk({ state: 'ODD' }))), 'HALTED'); // unknown is not well
});

test('sums are of one asset each', () => {
  const found = totals(rows(desk(), desk({ name: 'b' }), desk({ name: 'c', asset: 'BTC', equity: '0.5' })));
  assert.deepEqual(found.map(sum => [sum.asset, sum.equity]), [['BTC', 0.5], ['USDT', 20024.66]]);
});

test('amounts read as on the panels', () => {
  assert.equal(money(10012.333, 'USDT'), '10,012.33');
  assert.equal(money(0.5, 'BTC'), '0.500000');
  assert.equal(money(NaN, 'USDT'), '–');
  assert.equal(signed(1.5, 'USDT'), '+1.50');
  assert.equal(signed(-1234.5, 'USDT'), '−1,234.50');
  assert.equal(signed(-0.001, 'USDT'), '0.00'); // no minus before nothing
  assert.deepEqual([82, 2_400, 125_000, 8e6, -1].map(duration), ['82 ms', '2.4 s', '2 min', '2 h', '–']);
  assert.equal(summary(rows(desk(), desk({ name: 'b' }))), '2 desks · ACTIVE · 20,024.66 USDT (−3.00)');
  assert.equal(summary(rows(desk({ state: 'HALTED' }))), '1 desk · HALTED · 10,012.33 USDT (−1.50)');
  const mixed = rows(desk({ state: 'HALTED' }), desk({ name: 'b' }));
  assert.equal(summary(mixed), '2 desks · 1 HALTED · 20,024.66 USDT (−3.00)');
  assert.equal(summary([]), '');
});

test('protection is said of own contracts', () => {
  assert.equal(protection(one()), 'protected 100 %');
  assert.equal(protection(one({ protected_fraction: 0.555 })), 'protected 55.5 %');
  assert.equal(protection(one({ naked_s: 0.42 })), 'naked 0.4 s');
  assert.equal(protection(one({ holding: false })), 'flat');
});

test('an outcome is one line, and says where it did not come true', () => {
  const outcome = { desk: 'main', label: 'LIVE', state: 'HALTED', done: true, text: 'halt: HALTED: x\n  orders: y' };
  assert.equal(outcomeText('halt', outcome), 'main (LIVE) is HALTED: entries are cancelled, stops stand.');
  assert.equal(outcomeText('flatten', { ...outcome, text: 'flatten: all closed' }), 'main (LIVE): all closed.');
  assert.equal(
    outcomeText('halt', { ...outcome, done: false, text: 'halt: NOT COMPLETE: HALTED\n' }),
    'main (LIVE): NOT confirmed. NOT COMPLETE: HALTED.'
  );
});
