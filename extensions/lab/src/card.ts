/** One desk in the sidebar. */

import type { Progress } from './actions.js';
import type { Row } from './board.js';
import { button, element, say, show } from './dom.js';
import type { Home } from './kernels.js';
import { STAY, feed, heard, money, percent, protection, signed } from './words.js';

const MARGIN_WARN = 0.6;
const MARGIN_ALARM = 0.85; // the margin guard's limit
const FEED_WARN_MS = 1_000;
const FEED_ALARM_MS = 2_000; // the freshness rule refuses entries from here

/** What a click asks for. */
export interface Clicks {
  halt(): void;
  flatten(): void;
  kill(): void;
  open(): void;
}

export class Card {
  readonly node: HTMLElement;

  constructor(clicks: Clicks) {
    const halt = button('cdl-button cdl-halt', 'Halt', clicks.halt);
    const flatten = button('cdl-button cdl-flatten', 'Halt & flatten', clicks.flatten);
    this.home = button('cdl-home', '', clicks.open);
    this.halt = halt;
    this.flatten = flatten;
    this.kill = element(
      'div',
      'cdl-unconfirmed',
      element('strong', '', 'halt NOT confirmed'),
      element('span', '', STAY),
      button('cdl-button cdl-kill', 'Kill kernel\u2026', clicks.kill)
    );
    this.kill.setAttribute('role', 'alert');
    this.node = element(
      'section',
      'cdl-card',
      element('div', 'cdl-line', this.state, this.name, this.label),
      element('div', 'cdl-line cdl-money', this.equity, this.pnl),
      element(
        'div',
        'cdl-facts',
        named('Protection', this.protection),
        named('Margin', this.margin),
        named('Feed', this.feed)
      ),
      this.reason,
      element('div', 'cdl-line cdl-from', this.home, this.age),
      this.kill,
      element('div', 'cdl-line cdl-buttons', halt, flatten)
    );
  }

  update(row: Row, home: Home, progress: Progress | null): void {
    const { desk } = row;
    this.node.dataset['desk'] = desk.name;
    this.node.dataset['standing'] = row.standing;
    this.node.setAttribute('aria-label', `Desk ${desk.name}, ${desk.label}, ${row.standing}`);
    say(this.state, row.stale ? 'STALE' : desk.state);
    this.state.dataset['state'] = row.stale ? 'STALE' : desk.state;
    this.state.title = row.stale ? `${desk.state} when it was last heard of` : '';
    say(this.name, desk.name);
    this.name.title = `${desk.name} on ${desk.venue}`;
    say(this.label, desk.label);
    this.label.dataset['label'] = desk.label;
    say(this.equity, `${money(desk.equity, desk.asset)} ${desk.asset}`);
    say(this.pnl, signed(desk.unrealizedPnl, desk.asset));
    this.pnl.dataset['tone'] = desk.unrealizedPnl > 0 ? 'gain' : desk.unrealizedPnl < 0 ? 'loss' : '';
    this.facts(row);
    say(this.reason, desk.reason);
    this.reason.title = desk.reason;
    this.reason.dataset['tone'] = desk.breaker ? 'alarm' : '';
    show(this.reason, desk.reason !== '');
    say(this.home, home.name);
    this.home.title = home.path === null ? '' : `Open ${home.path}`;
    this.home.disabled = home.path === null;
    say(this.age, heard(row));
    this.age.dataset['tone'] = row.stale ? 'alarm' : '';
    this.doing(row, progress);
  }

  private facts({ desk }: Row): void {
    const naked = desk.holding && (desk.nakedS > 0 || desk.protectedFraction < 1);
    fact(this.protection, protection(desk), naked ? 'alarm' : desk.holding ? 'safe' : '');
    const margin = desk.marginRatio;
    fact(
      this.margin,
      percent(margin),
      margin === null ? '' : margin > MARGIN_ALARM ? 'alarm' : margin > MARGIN_WARN ? 'warn' : ''
    );
    const age = desk.privateStreamReady ? desk.feedAgeMs : Infinity;
    fact(
      this.feed,
      feed(desk),
      age === null ? '' : age > FEED_ALARM_MS ? 'alarm' : age > FEED_WARN_MS ? 'warn' : ''
    );
  }

  private doing({ desk, stale }: Row, progress: Progress | null): void {
    const going = progress === 'halting' || progress === 'flattening';
    const halted = desk.state === 'HALTED' && !stale;
    say(this.halt, progress === 'halting' ? 'Halting\u2026' : halted ? 'Halted' : 'Halt');
    say(this.flatten, progress === 'flattening' ? 'Flattening\u2026' : 'Halt & flatten');
    // Halting what is halted does no harm, and reassures.
    this.halt.title = 'Cancel entries, send no more; positions stay under their stops';
    this.flatten.title = 'Halt, and close all positions at the market; asks first';
    this.halt.disabled = going;
    this.flatten.disabled = going;
    show(this.kill, progress === 'unconfirmed');
  }

  private readonly state = element('span', 'cdl-state');
  private readonly name = element('span', 'cdl-name');
  private readonly label = element('span', 'cdl-label');
  private readonly equity = element('span', 'cdl-equity');
  private readonly pnl = element('span', 'cdl-pnl');
  private readonly protection = element('span', 'cdl-fact-value');
  private readonly margin = element('span', 'cdl-fact-value');
  private readonly feed = element('span', 'cdl-fact-value');
  private readonly reason = element('div', 'cdl-reason');
  private readonly age = element('span', 'cdl-age');
  private readonly home: HTMLButtonElement;
  private readonly halt: HTMLButtonElement;
  private readonly flatten: HTMLButtonElement;
  private readonly kill: HTMLElement;
}

function named(name: string, value: HTMLElement): HTMLElement {
  return element('div', 'cdl-fact', element('span', 'cdl-fact-name', name), value);
}

function fact(node: HTMLElement, text: string, tone: string): void {
  say(node, text);
  node.dataset['tone'] = tone;
}
