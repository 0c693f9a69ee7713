/** The plugin: a sidebar, a status item, commands, notifications, settings. */

import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';

import { Actions } from './actions.js';
import type { Alert, AlertKind } from './board.js';
import { deskIcon } from './icon.js';
import { Kernels } from './kernels.js';
import { SIDEBAR, Sidebar } from './sidebar.js';
import { StatusItem } from './status.js';
import { alertText } from './words.js';

const PLUGIN = 'contractdesk-lab:plugin';
const CATEGORY = 'contractdesk';
const RANK = 610; // under JupyterLab's own

/** Setting that each alert hangs on, how it looks, and whether it stays until a person dismisses it. */
const ALERTS: Record<AlertKind, { setting: keyof Wishes; type: 'error' | 'warning' | 'info'; stays: boolean }> = {
  breaker: { setting: 'notifyBreaker', type: 'error', stays: true },
  stale: { setting: 'notifyStale', type: 'warning', stays: true },
  back: { setting: 'notifyStale', type: 'info', stays: false },
  lost: { setting: 'notifyLost', type: 'warning', stays: true }
};

interface Wishes {
  notifyBreaker: boolean;
  notifyStale: boolean;
  notifyLost: boolean;
  statusItem: boolean;
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'The desks of all running kernels: how they stand, and a halt that works while a cell is busy.',
  autoStart: true,
  optional: [IStatusBar, ICommandPalette, ISettingRegistry, ILayoutRestorer],
  activate
};

function activate(
  app: JupyterFrontEnd,
  statusBar: IStatusBar | null,
  palette: ICommandPalette | null,
  registry: ISettingRegistry | null,
  restorer: ILayoutRestorer | null
): void {
  const wishes: Wishes = { notifyBreaker: true, notifyStale: true, notifyLost: true, statusItem: true };
  const kernels = new Kernels(app.serviceManager);
  const actions = new Actions(kernels);
  const open = (path: string): void => void app.commands.execute('docmanager:open', { path });
  const sidebar = new Sidebar(kernels, actions, open);
  app.shell.add(sidebar, 'left', { rank: RANK });
  restorer?.add(sidebar, SIDEBAR);
  addCommands(app, palette, kernels, actions);

  const item = new StatusItem(kernels, () => app.shell.activateById(SIDEBAR));
  statusBar?.registerStatusItem(`${PLUGIN}:status`, {
    item,
    align: 'left',
    rank: 90,
    priority: 1, // also where there is little room
    isActive: () => item.active,
    activeStateChanged: item.activeChanged
  });
  kernels.alerted.connect((_, alert) => notify(alert, kernels, wishes));
  void follow(registry, wishes, () => item.want(wishes.statusItem));
}

function addCommands(
  app: JupyterFrontEnd,
  palette: ICommandPalette | null,
  kernels: Kernels,
  actions: Actions
): void {
  const commands = {
    'contractdesk:halt-all': {
      label: 'Halt All Desks',
      caption: 'Cancel the entries of every desk in every running kernel; positions stay under their stops',
      execute: () => actions.halt(kernels.rows())
    },
    'contractdesk:flatten-all': {
      label: 'Halt & Flatten All Desks\u2026',
      caption: 'Halt every desk and close all positions at the market; asks first',
      execute: () => actions.flatten(kernels.rows())
    },
    'contractdesk:show-desks': {
      label: 'Show Desks',
      caption: 'Trading desks of all running kernels',
      icon: deskIcon,
      execute: () => app.shell.activateById(SIDEBAR)
    }
  };
  for (const [command, options] of Object.entries(commands)) {
    app.commands.addCommand(command, options);
    palette?.addItem({ command, category: CATEGORY });
  }
}

function notify(alert: Alert, kernels: Kernels, wishes: Wishes): void {
  const { setting, type, stays } = ALERTS[alert.kind];
  if (wishes[setting]) {
    const where = kernels.home(alert.kernel).name;
    Notification.emit(alertText(alert, where), type, { autoClose: stays ? false : 8_000 });
  }
}

/** Keep `wishes` as the person's settings are. */
async function follow(registry: ISettingRegistry | null, wishes: Wishes, changed: () => void): Promise<void> {
  const settings = await registry?.load(PLUGIN);
  const read = (): void => {
    for (const name of Object.keys(wishes) as (keyof Wishes)[]) {
      const wanted = settings?.get(name).composite;
      wishes[name] = typeof wanted === 'boolean' ? wanted : wishes[name];
    }
    changed();
  };
  settings?.changed.connect(read);
  read();
}

export default plugin;
