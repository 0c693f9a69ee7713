/** All desks of all running kernels, with Halt on each and on all. */

import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { type Actions, keyOf } from './actions.js';
import { type Row, totals } from './board.js';
import { Card } from './card.js';
import { button, element, say, show } from './dom.js';
import { deskIcon } from './icon.js';
import type { Kernels } from './kernels.js';
import { money, signed } from './words.js';

export const SIDEBAR = 'contractdesk-desks';

export class Sidebar extends Widget {
  /** `open` shows a notebook by its path. */
  constructor(kernels: Kernels, actions: Actions, open: (path: string) => void) {
    super();
    this.id = SIDEBAR;
    this.addClass('cd');
    this.addClass('cdl-sidebar');
    this.title.icon = deskIcon;
    this.title.caption = 'Trading desks of all running kernels';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Trading desks');
    this.kernels = kernels;
    this.actions = actions;
    this.open = open;
    const all = (): Row[] => kernels.rows();
    this.all = element(
      'div',
      'cdl-line cdl-buttons',
      button('cdl-button cdl-halt', 'Halt all', () => void actions.halt(all())),
      button('cdl-button cdl-flatten', 'Halt & flatten all', () => void actions.flatten(all()))
    );
    this.node.append(
      element('header', 'cdl-head', element('div', 'cdl-line', this.count, this.sums), this.all),
      this.list,
      this.empty
    );
    kernels.changed.connect(this.update, this);
    actions.changed.connect(this.update, this);
  }

  protected override onBeforeShow(message: Message): void {
    super.onBeforeShow(message);
    this.update();
  }

  protected override onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    if (!this.isVisible) {
      return;
    }
    const rows = this.kernels.rows();
    say(this.count, rows.length === 1 ? '1 desk' : `${rows.length} desks`);
    const sums = totals(rows).map(
      sum => `${money(sum.equity, sum.asset)} ${sum.asset} (${signed(sum.unrealizedPnl, sum.asset)})`
    );
    say(this.sums, sums.join(', '));
    show(this.all, rows.length > 1);
    show(this.empty, rows.length === 0);
    this.arrange(rows);
  }

  /** Cards are kept while their desk is there: the focus stays where it was. */
  private arrange(rows: Row[]): void {
    const keys = new Set(rows.map(keyOf));
    for (const [key, card] of this.cards) {
      if (!keys.has(key)) {
        card.node.remove();
        this.cards.delete(key);
      }
    }
    rows.forEach((row, place) => {
      const card = this.cards.get(keyOf(row)) ?? this.add(row);
      if (this.list.children[place] !== card.node) {
        this.list.insertBefore(card.node, this.list.children[place] ?? null);
      }
      card.update(row, this.kernels.home(row.kernel), this.actions.progress(row));
    });
  }

  private add(row: Row): Card {
    const key = keyOf(row);
    const now = (): Row[] => this.kernels.rows().filter(one => keyOf(one) === key);
    const card = new Card({
      halt: () => void this.actions.halt(now()),
      flatten: () => void this.actions.flatten(now()),
      kill: () => void this.actions.kill(row.kernel),
      open: () => {
        const { path } = this.kernels.home(row.kernel);
        if (path !== null) {
          this.open(path);
        }
      }
    });
    this.cards.set(key, card);
    return card;
  }

  private readonly kernels: Kernels;
  private readonly actions: Actions;
  private readonly open: (path: string) => void;
  private readonly cards = new Map<string, Card>();
  private readonly count = element('strong', 'cdl-count');
  private readonly sums = element('span', 'cdl-sums');
  private readonly list = element('div', 'cdl-list');
  private readonly empty = element(
    'p',
    'cdl-empty',
    'No desk is open in a running kernel. A notebook opens one with ',
    element('code', '', 'cd.open_desk(\u2026)'),
    '; it is then listed here, and can be halted here, whatever its cells are doing.'
  );
  private readonly all: HTMLElement;
}
