/** The status bar's line: how many desks, the worst of them, what they hold. A click opens the sidebar. */

import { type ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { worst } from './board.js';
import { button, element, say } from './dom.js';
import type { Kernels } from './kernels.js';
import { summary } from './words.js';

export class StatusItem extends Widget {
  constructor(kernels: Kernels, clicked: () => void) {
    super({ node: element('div', 'cd cdl-status') });
    this.kernels = kernels;
    this.line = button('cdl-status-line', '', clicked);
    this.line.append(this.live, this.text);
    this.line.title = 'Trading desks of all running kernels: show them';
    this.node.append(this.line);
    kernels.changed.connect(this.refresh, this);
  }

  /** There is a desk, and the person wants to see it. */
  get active(): boolean {
    return this.wanted && this.some;
  }

  get activeChanged(): ISignal<this, void> {
    return this._activeChanged;
  }

  want(wanted: boolean): void {
    this.wanted = wanted;
    this._activeChanged.emit();
  }

  private refresh(): void {
    const rows = this.kernels.rows();
    say(this.text, summary(rows));
    this.line.dataset['standing'] = worst(rows) ?? '';
    const live = rows.some(row => row.desk.label === 'LIVE');
    say(this.live, live ? 'LIVE' : '');
    this.live.hidden = !live;
    if (this.some !== rows.length > 0) {
      this.some = rows.length > 0;
      this._activeChanged.emit();
    }
  }

  private readonly kernels: Kernels;
  private readonly line: HTMLButtonElement;
  private readonly live = element('span', 'cdl-status-live');
  private readonly text = element('span', 'cdl-status-text');
  private wanted = true;
  private some = false;
  private _activeChanged = new Signal<this, void>(this);
}
