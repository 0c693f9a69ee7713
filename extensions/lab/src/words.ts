/** How values read, in the words and digits of the panels (contractdesk/panels/formats.py, gist.py). */

import { type Alert, type Row, totals, worst } from './board.js';
import { type Action, type Desk, type Outcome } from './protocol.js';

const NONE = '\u2013';
const MINUS = '\u2212'; // as wide as a plus sign
const CENTS = new Set(['USDT', 'USDC', 'USD', 'BUSD', 'FDUSD']);
const USUAL_MS = 1_500; // it is heard of once a second
export const STAY = 'Stops stay at the venue; entries that rest may stay, too.';

/** `12,345.60`, with the digits that the asset is shown with. */
export function money(amount: number, asset: string): string {
  if (!Number.isFinite(amount)) {
    return NONE;
  }
  const places = CENTS.has(asset) ? 2 : 6;
  const digits = Math.abs(amount).toLocaleString('en-US', {
    minimumFractionDigits: places,
    maximumFractionDigits: places
  });
  return amount < 0 && /[1-9]/.test(digits) ? MINUS + digits : digits;
}

/** Like `money`, with a plus sign where it is positive. */
export function signed(amount: number, asset: string): string {
  const text = money(amount, asset);
  return amount > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** An age in the unit that fits: `140 ms`, `2.4 s`, `7 min`, `3 h`. */
export function duration(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms) || ms < 0) {
    return NONE;
  }
  if (ms < 1_000) {
    return `${Math.round(ms)} ms`;
  }
  if (ms < 120_000) {
    return `${(ms / 1_000).toFixed(1)} s`;
  }
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

export function percent(share: number | null, places = 1): string {
  return share === null ? NONE : `${(share * 100).toFixed(places)} %`;
}

/** `protected 100 %`, `naked 0.4 s`, or `flat`: of our own contracts. */
export function protection(desk: Desk): string {
  if (!desk.holding) {
    return 'flat';
  }
  if (desk.nakedS > 0) {
    return `naked ${desk.nakedS.toFixed(1)} s`;
  }
  return `protected ${percent(desk.protectedFraction, desk.protectedFraction >= 1 ? 0 : 1)}`;
}

export function feed(desk: Desk): string {
  return desk.privateStreamReady ? duration(desk.feedAgeMs) : 'private stream down';
}

/** When it was last heard of: an age only where it is worth a look. */
export function heard(row: Row): string {
  if (row.stale) {
    return `silent for ${duration(row.ageMs)}`;
  }
  return row.ageMs < USUAL_MS ? 'live' : `${duration(row.ageMs)} ago`;
}

/** The status bar's line; '' where there is no desk. */
export function summary(rows: Row[]): string {
  const standing = worst(rows);
  if (standing === null) {
    return '';
  }
  const count = rows.length === 1 ? '1 desk' : `${rows.length} desks`;
  const such = rows.filter(row => row.standing === standing).length;
  const state = such === rows.length ? standing : `${such} ${standing}`;
  const sums = totals(rows).map(
    ({ asset, equity, unrealizedPnl }) => `${money(equity, asset)} ${asset} (${signed(unrealizedPnl, asset)})`
  );
  return [count, state, ...sums].join(' \u00b7 ');
}

/** What to tell a person of an alert; `where` is the notebook. */
export function alertText({ kind, desk }: Alert, where: string): string {
  const who = `${desk.name} (${desk.label}, ${where})`;
  switch (kind) {
    case 'breaker':
      return `${who}: the breaker has tripped. ${sentence(desk.breaker.replace(/^tripped: /, ''))} The desk is ${desk.state}.`;
    case 'stale':
      return `${who} is stale: no sign of life for 3.5 s. Its stops stay at the venue.`;
    case 'back':
      return `${who} is back: it is ${desk.state}.`;
    case 'lost':
      return `${who} has ended with its kernel. ${desk.holding ? STAY : 'It held nothing.'}`;
  }
}

/** What came of a request on one desk, in a line. */
export function outcomeText(action: Action, { desk, label, done, text }: Outcome): string {
  const who = `${desk} (${label})`;
  const told = (text.split('\n', 1)[0] ?? '').replace(/^(halt|flatten): /, '');
  if (!done) {
    return `${who}: NOT confirmed. ${sentence(told)}`;
  }
  return action === 'halt' ? `${who} is HALTED: entries are cancelled, stops stand.` : `${who}: ${sentence(told)}`;
}

function sentence(text: string): string {
  return text === '' || text.endsWith('.') ? text : `${text}.`;
}
