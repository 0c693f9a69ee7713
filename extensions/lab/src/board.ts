/** Which desks there are and how they stand, folded from what their kernels say. It reads no clock. */

import { type Desk, desksOf } from './protocol.js';

/** A desk says once a second how it stands; after so long it is stale. */
export const STALE_MS = 3_500;
/** Between two looks; a browser that sleeps, or a page in the background, looks later than that. */
export const LATE_MS = 2_500;

/** What is worst comes last. */
export const STANDINGS = ['ACTIVE', 'REDUCING', 'HALTED', 'NAKED', 'STALE'] as const;
export type Standing = (typeof STANDINGS)[number];

export interface Row {
  kernel: string;
  desk: Desk;
  ageMs: number; // since it was last heard of
  stale: boolean;
  standing: Standing;
}

export type AlertKind = 'breaker' | 'stale' | 'back' | 'lost';

/** Something that a person should be told; `lost`: its kernel ended or restarted while it was open. */
export interface Alert {
  kind: AlertKind;
  kernel: string;
  desk: Desk;
}

interface Heard {
  desk: Desk;
  at: number;
  suspected: boolean; // stale at the last look
  told: boolean; // and a person knows
}

export class Board {
  private kernels = new Map<string, Map<string, Heard>>();
  private lookedAt = -Infinity;

  /** Take in the content of a `contractdesk_state`; `now` is of a clock that never goes back, in ms. */
  hear(kernel: string, content: unknown, now: number): Alert[] {
    const desks = desksOf(content);
    if (desks === null) {
      return [];
    }
    const before = this.kernels.get(kernel);
    const heard = new Map<string, Heard>();
    const alerts: Alert[] = [];
    for (const desk of desks) {
      const known = before?.get(desk.name);
      if (desk.breaker !== '' && (known?.desk.breaker ?? '') === '') {
        alerts.push({ kind: 'breaker', kernel, desk });
      }
      const still = isSilent(desk);
      if (known?.told && !still) {
        alerts.push({ kind: 'back', kernel, desk });
      }
      heard.set(desk.name, { desk, at: now, suspected: still && !!known?.suspected, told: still && !!known?.told });
    }
    this.kernels.set(kernel, heard);
    return alerts;
  }

  /** Look for desks that have become stale; to be called about once a second. */
  look(now: number): Alert[] {
    const late = now - this.lookedAt > LATE_MS;
    this.lookedAt = now;
    const alerts: Alert[] = [];
    for (const [kernel, heard] of this.kernels) {
      for (const one of heard.values()) {
        const stale = isStale(one.desk, now - one.at);
        // After a sleep everything looks old: then it is told where the next look finds it so, too.
        if (stale && !one.told && (!late || one.suspected)) {
          one.told = true;
          alerts.push({ kind: 'stale', kernel, desk: one.desk });
        }
        one.suspected = stale;
      }
    }
    return alerts;
  }

  /** Forget a kernel that has ended or restarts: its desks ended with it. */
  forget(kernel: string): Alert[] {
    const heard = [...(this.kernels.get(kernel)?.values() ?? [])];
    this.kernels.delete(kernel);
    return heard.map(one => ({ kind: 'lost', kernel, desk: one.desk }));
  }

  /** All desks, always in the same order: a row that moves is a button missed. */
  rows(now: number): Row[] {
    const rows: Row[] = [];
    for (const [kernel, heard] of this.kernels) {
      for (const { desk, at } of heard.values()) {
        const ageMs = Math.max(now - at, 0) + (isSilent(desk) ? desk.silentMs : 0);
        const stale = isStale(desk, now - at);
        rows.push({ kernel, desk, ageMs, stale, standing: standingOf(desk, stale) });
      }
    }
    return rows.sort((a, b) => compare(a.desk.name, b.desk.name) || compare(a.kernel, b.kernel));
  }
}

/** The worst of all; null where there is no desk. */
export function worst(rows: Row[]): Standing | null {
  const found = rows.map(row => STANDINGS.indexOf(row.standing));
  return found.length ? STANDINGS[Math.max(...found)]! : null;
}

export interface Total {
  asset: string;
  equity: number;
  unrealizedPnl: number;
}

/** Equity and unrealized profit, an asset a sum. */
export function totals(rows: Row[]): Total[] {
  const sums = new Map<string, Total>();
  for (const { desk } of rows) {
    const sum = sums.get(desk.asset) ?? { asset: desk.asset, equity: 0, unrealizedPnl: 0 };
    sum.equity += desk.equity;
    sum.unrealizedPnl += desk.unrealizedPnl;
    sums.set(desk.asset, sum);
  }
  return [...sums.values()].sort((a, b) => compare(a.asset, b.asset));
}

/** The kernel speaks, but the desk makes no new pictures. */
function isSilent(desk: Desk): boolean {
  return desk.silentMs > STALE_MS;
}

function isStale(desk: Desk, ageMs: number): boolean {
  return ageMs > STALE_MS || isSilent(desk);
}

function standingOf(desk: Desk, stale: boolean): Standing {
  if (stale) {
    return 'STALE';
  }
  if (desk.holding && (desk.nakedS > 0 || desk.protectedFraction < 1)) {
    return 'NAKED';
  }
  return desk.state === 'ACTIVE' || desk.state === 'REDUCING' ? desk.state : 'HALTED';
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
