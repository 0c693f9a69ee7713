/** Halt, flatten and kill: asked of kernels, and told to the person as it comes out. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { type ISignal, Signal } from '@lumino/signaling';

import type { Row } from './board.js';
import type { Asked, Kernels } from './kernels.js';
import { type Action, CONFIRM_MS, FLATTEN_MS, type Reply } from './protocol.js';
import { STAY, outcomeText } from './words.js';

/** When an update is said again, ms: JupyterLab drops one whose toast it is still making. */
const AGAIN_MS = [1_000, 4_000];
const latest = new Map<string, object>();

/** Update a notification; false where the person has dismissed it. */
function update(note: Parameters<typeof Notification.update>[0]): boolean {
  latest.set(note.id, note);
  for (const ms of AGAIN_MS) {
    window.setTimeout(() => {
      if (latest.get(note.id) === note) {
        Notification.update(note);
      }
    }, ms);
  }
  return Notification.update(note);
}

/** What goes on at a desk, until it is confirmed. */
export type Progress = 'halting' | 'flattening' | 'unconfirmed';

const AT_WORK = 'asked in JupyterLab';

export class Actions {
  constructor(kernels: Kernels) {
    this.kernels = kernels;
    kernels.changed.connect(this.prune, this);
  }

  /** What goes on has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  progress(row: Row): Progress | null {
    return this.going.get(keyOf(row)) ?? null;
  }

  /** Halt these desks at once: nobody is asked whether they are sure. */
  async halt(rows: Row[]): Promise<void> {
    if (nothing(rows)) {
      return;
    }
    await Promise.all(rows.map(row => this.haltOne(row)));
  }

  /** After a person's yes: halt, and close the positions of each desk whose kernel has answered that. */
  async flatten(rows: Row[]): Promise<void> {
    if (nothing(rows) || !(await sure(rows, this.kernels))) {
      return;
    }
    await Promise.all(
      rows.map(async row => {
        if (await this.haltOne(row, 'Positions were not closed.')) {
          await this.flattenOne(row);
        }
      })
    );
  }

  /** After a person's yes: end the kernel. */
  async kill(kernel: string): Promise<void> {
    const home = this.kernels.home(kernel).name;
    const desks = this.kernels.rows().filter(row => row.kernel === kernel);
    const names = desks.map(row => row.desk.name).join(', ') || 'its desks';
    const answer = await showDialog({
      title: `Kill the kernel of ${home}?`,
      body: `It ends ${names}, and all that the notebook has in memory. ${STAY} Nobody moves a stop until a desk is open again.`,
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Kill kernel' })],
      defaultButton: 0
    });
    if (!answer.button.accept) {
      return;
    }
    const id = Notification.emit(`Killing the kernel of ${home}\u2026`, 'in-progress', { autoClose: false });
    try {
      await this.kernels.kill(kernel);
      const message = `The kernel of ${home} is killed. ${STAY}`;
      update({ id, message, type: 'warning', autoClose: false });
    } catch (error) {
      const message = `The kernel of ${home} could not be killed: ${String(error)}`;
      update({ id, message, type: 'error', autoClose: false });
    }
  }

  /** True where the kernel has answered, also that not all of it came true yet: it is halted then. */
  private async haltOne(row: Row, besides = ''): Promise<boolean> {
    const { name } = row.desk;
    this.mark(row, 'halting');
    const id = Notification.emit(`Halting ${name}\u2026`, 'in-progress', { autoClose: false });
    const { reply, late } = await this.ask('halt', row, CONFIRM_MS);
    if (reply !== null) {
      this.mark(row, null);
      this.tell(id, 'halt', row, reply);
      return reply.error === '';
    }
    this.mark(row, 'unconfirmed');
    const message = `${name}: halt NOT confirmed within 5 s. ${besides} ${STAY}`.replace('  ', ' ');
    update({
      id,
      message,
      type: 'error',
      autoClose: false,
      actions: [{ label: 'Kill kernel\u2026', displayType: 'warn', callback: () => void this.kill(row.kernel) }]
    });
    void late.then(answer => {
      this.mark(row, null);
      this.tell(id, 'halt', row, answer, 'Late: ');
    });
    return false;
  }

  private async flattenOne(row: Row): Promise<void> {
    const { name } = row.desk;
    this.mark(row, 'flattening');
    const told = `Closing the positions of ${name}\u2026`;
    const id = Notification.emit(told, 'in-progress', { autoClose: false });
    const { reply, late } = await this.ask('flatten', row, FLATTEN_MS);
    this.mark(row, null);
    if (reply !== null) {
      this.tell(id, 'flatten', row, reply);
      return;
    }
    const message = `${name}: positions NOT confirmed closed within 25 s. ${STAY}`;
    update({ id, message, type: 'error', autoClose: false });
    void late.then(answer => this.tell(id, 'flatten', row, answer, 'Late: '));
  }

  /** A desk by its name: another one that was opened meanwhile is not meant. */
  private ask(action: Action, { kernel, desk }: Row, withinMs: number): Promise<Asked> {
    return this.kernels.ask(kernel, { action, desk: desk.name, reason: `${action} ${AT_WORK}` }, withinMs);
  }

  private tell(id: string, action: Action, row: Row, reply: Reply, before = ''): void {
    const failed = reply.error !== '' || reply.outcomes.some(outcome => !outcome.done);
    const told = reply.error
      ? `${row.desk.name}: NOT ${action === 'halt' ? 'halted' : 'flattened'}: ${reply.error}.`
      : reply.outcomes.map(outcome => outcomeText(action, outcome)).join(' ');
    const type = failed ? 'error' : 'success';
    const message = `${before}${told}`;
    const autoClose = failed ? false : 8_000;
    if (!update({ id, message, type, autoClose, actions: [] })) {
      Notification.emit(message, type, { autoClose }); // the person has dismissed it meanwhile
    }
  }

  private mark(row: Row, progress: Progress | null): void {
    if (progress === null) {
      this.going.delete(keyOf(row));
    } else {
      this.going.set(keyOf(row), progress);
    }
    this._changed.emit();
  }

  /** What goes on at a desk ends with it. */
  private prune(): void {
    const there = new Set(this.kernels.rows().map(keyOf));
    [...this.going.keys()].filter(key => !there.has(key)).forEach(key => this.going.delete(key));
  }

  private readonly kernels: Kernels;
  private readonly going = new Map<string, Progress>();
  private _changed = new Signal<this, void>(this);
}

export function keyOf(row: Row): string {
  return `${row.kernel} ${row.desk.name}`;
}

/** Closing positions costs money: a person says yes to these very desks. */
async function sure(rows: Row[], kernels: Kernels): Promise<boolean> {
  const list = rows.map(({ kernel, desk }) => `${desk.name} (${desk.label}, ${kernels.home(kernel).name})`);
  const answer = await showDialog({
    title: rows.length === 1 ? `Halt & flatten ${rows[0]!.desk.name}?` : `Halt & flatten ${rows.length} desks?`,
    body: `Entries are cancelled and all positions closed at the market: ${list.join('; ')}.`,
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Halt & flatten' })],
    defaultButton: 0
  });
  return answer.button.accept;
}

/** Says so where there is no desk to act on. */
function nothing(rows: Row[]): boolean {
  if (rows.length === 0) {
    Notification.info('No desk is open in a running kernel.');
  }
  return rows.length === 0;
}
