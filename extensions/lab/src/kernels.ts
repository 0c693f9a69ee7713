/**
 * Listens to every running kernel, and asks over its control channel: neither needs a notebook that is
 * open, nor a kernel that is idle.
 */

import { PageConfig } from '@jupyterlab/coreutils';
import { type Kernel, KernelMessage, type ServiceManager } from '@jupyterlab/services';
import { JSONExt } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { type Alert, Board, type Row } from './board.js';
import { REPLY, REQUEST, STATE, replyOf } from './protocol.js';
import type { Reply, Request } from './protocol.js';

const LOOK_MS = 500;
/** A kernel that is shut down or restarted says so itself; a restart by a notebook is told to nobody else. */
const GOODBYE = 'shutdown_reply';
/** No desk outlives these. */
const ENDED: ReadonlySet<Kernel.Status> = new Set([
  'starting', 'restarting', 'autorestarting', 'dead', 'terminating'
]);

/** The notebook (or console) that a kernel belongs to; no path where there is none. */
export interface Home {
  name: string;
  path: string | null;
}

/** An answer in time, or none; `late` is one that comes afterwards. */
export interface Asked {
  reply: Reply | null;
  late: Promise<Reply>;
}

export class Kernels implements IDisposable {
  constructor(services: ServiceManager.IManager) {
    this.services = services;
    untrack(REQUEST);
    services.kernels.runningChanged.connect(this.follow, this);
    services.sessions.runningChanged.connect(this.refresh, this);
    this.timer = window.setInterval(() => this.look(), LOOK_MS);
    void Promise.all([services.kernels.ready, services.sessions.ready]).then(() => this.follow());
  }

  /** Some desk came, went, or stands differently; at least twice a second. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get alerted(): ISignal<this, Alert> {
    return this._alerted;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  rows(): Row[] {
    return this.board.rows(performance.now());
  }

  /** What a person calls a kernel by. */
  home(kernel: string): Home {
    for (const session of this.services.sessions.running()) {
      if (session.kernel?.id === kernel) {
        const name = session.name || session.path.split('/').pop() || session.path;
        return { name, path: session.type === 'notebook' ? session.path : null };
      }
    }
    return { name: `kernel ${kernel.slice(0, 8)}, no notebook`, path: null };
  }

  /** Ask a kernel; resolves within `withinMs`. */
  async ask(kernel: string, request: Request, withinMs: number): Promise<Asked> {
    const late = this.send(kernel, request);
    const none = new Promise<null>(resolve => window.setTimeout(() => resolve(null), withinMs));
    return { reply: await Promise.race([late, none]), late };
  }

  /** End a kernel from outside; the server waits for it a few seconds, then kills it. */
  async kill(kernel: string): Promise<void> {
    await this.services.kernels.shutdown(kernel);
  }

  dispose(): void {
    this._isDisposed = true;
    window.clearInterval(this.timer);
    this.connections.forEach(connection => connection.dispose());
    this.connections.clear();
    Signal.clearData(this);
  }

  /** Resolves with the answer, whenever it comes; with an error's words where it cannot be sent. */
  private send(kernel: string, request: Request): Promise<Reply> {
    const connection = this.connections.get(kernel);
    if (connection === undefined) {
      return Promise.resolve({ outcomes: [], error: 'its kernel has ended' });
    }
    const message = KernelMessage.createMessage({
      channel: 'control',
      msgType: REQUEST,
      session: connection.clientId,
      username: connection.username,
      content: { ...request }
    } as unknown as KernelMessage.IOptions<KernelMessage.IDebugRequestMsg>);
    return new Promise(resolve => {
      try {
        const future = connection.sendControlMessage(message, true);
        future.onReply = answer => {
          const reply = (answer.header.msg_type as string) === REPLY ? replyOf(answer.content) : null;
          resolve(reply ?? { outcomes: [], error: 'its answer cannot be read' });
        };
        future.done.catch(() => undefined); // a restart cancels it: the desk is gone then, and that is told
      } catch (error) {
        resolve({ outcomes: [], error: error instanceof Error ? error.message : String(error) });
      }
    });
  }

  /** Connect to kernels that are new, let go of those that are gone. */
  private follow(): void {
    const running = new Map([...this.services.kernels.running()].map(model => [model.id, model]));
    [...this.connections.keys()].filter(id => !running.has(id)).forEach(id => this.letGo(id));
    for (const [id, model] of running) {
      if (!this.connections.has(id) && !this._isDisposed) {
        this.connections.set(id, this.connect(model));
      }
    }
    this._changed.emit();
  }

  /** A session tells of its kernel at once, the list of kernels only at its next poll. */
  private refresh(): void {
    const ids = [...this.services.sessions.running()].map(session => session.kernel?.id);
    if (ids.some(id => id !== undefined && !this.connections.has(id))) {
      void this.services.kernels.refreshRunning().catch(() => undefined); // offline: the poll goes on
    }
    this._changed.emit();
  }

  private connect(model: Kernel.IModel): Kernel.IKernelConnection {
    // With comms handled here, too, the notebook's own widgets would be closed.
    const connection = this.services.kernels.connectTo({ model, handleComms: false });
    connection.iopubMessage.connect((_, message) => {
      const type = message.header.msg_type as string;
      if (type === STATE) {
        this.raise(this.board.hear(model.id, message.content, performance.now()));
        this._changed.emit();
      } else if (type === GOODBYE) {
        this.forget(model.id);
      }
    });
    connection.statusChanged.connect((_, status) => {
      if (ENDED.has(status)) {
        this.forget(model.id);
      }
    });
    connection.disposed.connect(() => this.letGo(model.id));
    return connection;
  }

  private letGo(id: string): void {
    const connection = this.connections.get(id);
    this.connections.delete(id);
    this.forget(id);
    connection?.dispose();
  }

  private forget(id: string): void {
    this.raise(this.board.forget(id));
    this._changed.emit();
  }

  private look(): void {
    this.raise(this.board.look(performance.now()));
    this._changed.emit();
  }

  private raise(alerts: Alert[]): void {
    alerts.forEach(alert => this._alerted.emit(alert));
  }

  private readonly services: ServiceManager.IManager;
  private readonly board = new Board();
  private readonly connections = new Map<string, Kernel.IKernelConnection>();
  private readonly timer: number;
  private _changed = new Signal<this, void>(this);
  private _alerted = new Signal<this, Alert>(this);
  private _isDisposed = false;
}

/** A kernel says "busy, idle" around every request; a notebook whose cell runs must not read as idle. */
function untrack(type: string): void {
  const option = 'untracked_message_types';
  const types = JSON.parse(PageConfig.getOption(option) || '[]') as string[];
  if (!JSONExt.isArray(types) || types.includes(type)) {
    return;
  }
  PageConfig.setOption(option, JSON.stringify([...types, type]));
}
