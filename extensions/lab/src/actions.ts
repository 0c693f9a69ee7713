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
    await Promise.all(byKernel(rows).map(group => this.haltGroup(group)));
  }

  /** After a person's yes: halt, and where that is answered close the positions, too. */
  async flatten(rows: Row[]): Promise<void> {
    if (nothing(rows) || !(await sure(rows, this.kernels))) {
      return;
    }
    await Promise.all(
      byKernel(rows).map(async group => {
        if (await this.haltGroup(group, 'Positions were not closed.')) {
          await this.flattenGroup(group);
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

  /** True where the kernel has answered. */
  private async haltGroup(rows: Row[], besides = ''): Promise<boolean> {
    const { kernel } = rows[0]!;
    this.mark(rows, 'halting');
    const id = Notification.emit(`Halting ${names(rows)}\u2026`, 'in-progress', { autoClose: false });
    const asked = await this.ask('halt', rows, CONFIRM_MS);
    if (asked.reply !== null) {
      this.mark(rows, null);
      this.tell(id, 'halt', rows, asked.reply);
      return asked.reply.error === '';
    }
    this.mark(rows, 'unconfirmed');
    const message = `${names(rows)}: halt NOT confirmed within 5 s. ${besides} ${STAY}`.replace('  ', ' ');
    update({
      id,
      message,
      type: 'error',
      autoClose: false,
      actions: [{ label: 'Kill kernel\u2026', displayType: 'warn', callback: () => void this.kill(kernel) }]
    });
    void asked.late.then(reply => {
      this.mark(rows, null);
      this.tell(id, 'halt', rows, reply, 'Late: ');
    });
    return false;
  }

  private async flattenGroup(rows: Row[]): Promise<void> {
    this.mark(rows, 'flattening');
    const told = `Closing the positions of ${names(rows)}\u2026`;
    const id = Notification.emit(told, 'in-progress', { autoClose: false });
    const { reply, late } = await this.ask('flatten', rows, FLATTEN_MS);
    this.mark(rows, null);
    if (reply !== null) {
      this.tell(id, 'flatten', rows, reply);
      return;
    }
    const message = `${names(rows)}: positions NOT confirmed closed within 25 s. ${STAY}`;
    update({ id, message, type: 'error', autoClose: false });
    void late.then(answer => this.tell(id, 'flatten', rows, answer, 'Late: '));
  }

  /** Each desk by its name: another one that was opened meanwhile is not meant. */
  private async ask(action: Action, rows: Row[], withinMs: number): Promise<Asked> {
    const reason = `${action} ${AT_WORK}`;
    const asked = await Promise.all(
      rows.map(row => this.kernels.ask(row.kernel, { action, desk: row.desk.name, reason }, withinMs))
    );
    const replies = asked.map(one => one.reply).filter(reply => reply !== null);
    return {
      reply: replies.length === asked.length ? merged(replies) : null,
      late: Promise.all(asked.map(one => one.late)).then(merged)
    };
  }

  private tell(id: string, action: Action, rows: Row[], reply: Reply, before = ''): void {
    const failed = reply.error !== '' || reply.outcomes.some(outcome => !outcome.done);
    const told = reply.error
      ? `${names(rows)}: NOT ${action === 'halt' ? 'halted' : 'flattened'}: ${reply.error}.`
      : reply.outcomes.map(outcome => outcomeText(action, outcome)).join(' ');
    const type = failed ? 'error' : 'success';
    const message = `${before}${told}`;
    const autoClose = failed ? false : 8_000;
    if (!update({ id, message, type, autoClose, actions: [] })) {
      Notification.emit(message, type, { autoClose }); // the person has dismissed it meanwhile
    }
  }

  private mark(rows: Row[], progress: Progress | null): void {
    for (const row of rows) {
      if (progress === null) {
        this.going.delete(keyOf(row));
      } else {
        this.going.set(keyOf(row), progress);
      }
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

function byKernel(rows: Row[]): Row[][] {
  const groups = new Map<string, Row[]>();
  rows.forEach(row => groups.set(row.kernel, [...(groups.get(row.kernel) ?? []), row]));
  return [...groups.values()];
}

function merged(replies: Reply[]): Reply {
  return {
    outcomes: replies.flatMap(reply => reply.outcomes),
    error: replies.map(reply => reply.error).filter(error => error !== '').join('; ')
  };
}

function names(rows: Row[]): string {
  return rows.map(row => row.desk.name).join(', ');
}
