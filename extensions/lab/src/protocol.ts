/**
 * What a kernel with desks says, and what it is asked: `contractdesk_state` on iopub, and
 * `contractdesk_request` / `contractdesk_reply` on its control channel. The other side is
 * contractdesk/console/heartbeat.py and control.py. Nothing here knows JupyterLab.
 */

export const STATE = 'contractdesk_state';
export const REQUEST = 'contractdesk_request';
export const REPLY = 'contractdesk_reply';

/** After so long without an answer a halt is not confirmed; a desk that is up answers within 4 s, in any case. */
export const CONFIRM_MS = 5_000;
/** Positions take longer to close; a desk bounds its own verbs below that. */
export const FLATTEN_MS = 25_000;

export type Action = 'halt' | 'flatten' | 'list';

/** One open desk; amounts are in `asset`, ages in ms. */
export interface Desk {
  name: string;
  label: string; // EMBEDDED, PAPER, TESTNET or LIVE
  venue: string;
  state: string; // ACTIVE, REDUCING or HALTED
  reason: string;
  breaker: string; // why it is latched; '' = it is not
  asset: string;
  equity: number;
  unrealizedPnl: number;
  marginRatio: number | null;
  holding: boolean;
  protectedFraction: number;
  nakedS: number;
  feedAgeMs: number | null;
  privateStreamReady: boolean;
  silentMs: number; // since the desk made its last picture
}

export interface Outcome {
  desk: string;
  label: string;
  state: string;
  done: boolean;
  text: string;
}

/** `error` where nothing was begun. */
export interface Reply {
  outcomes: Outcome[];
  error: string;
}

export interface Request {
  action: Action;
  desk: string; // '' = all of the kernel
  reason: string;
}

type Fields = Record<string, unknown>;

/** The desks that a `contractdesk_state` names; null for a content that is none. */
export function desksOf(content: unknown): Desk[] | null {
  const desks = fields(content)?.['desks'];
  if (!Array.isArray(desks)) {
    return null;
  }
  const named = desks.map(fields).filter(desk => desk !== null && text(desk, 'name') !== '');
  return named.map(desk => deskOf(desk!));
}

/** What a `contractdesk_reply` says; null for a content that is none. */
export function replyOf(content: unknown): Reply | null {
  const found = fields(content);
  if (found === null || !Array.isArray(found['outcomes'])) {
    return null;
  }
  const outcomes = found['outcomes'].map(fields).filter(outcome => outcome !== null);
  return { error: text(found, 'error'), outcomes: outcomes.map(outcome => outcomeOf(outcome!)) };
}

function deskOf(from: Fields): Desk {
  return {
    name: text(from, 'name'),
    label: text(from, 'label'),
    venue: text(from, 'venue'),
    state: text(from, 'state'),
    reason: text(from, 'reason'),
    breaker: text(from, 'breaker'),
    asset: text(from, 'asset'),
    equity: number(from, 'equity') ?? NaN,
    unrealizedPnl: number(from, 'unrealized_pnl') ?? NaN,
    marginRatio: number(from, 'margin_ratio'),
    holding: from['holding'] === true,
    protectedFraction: number(from, 'protected_fraction') ?? 0,
    nakedS: number(from, 'naked_s') ?? 0,
    feedAgeMs: number(from, 'feed_age_ms'),
    privateStreamReady: from['private_stream_ready'] === true,
    silentMs: number(from, 'silent_ms') ?? 0
  };
}

function outcomeOf(from: Fields): Outcome {
  return {
    desk: text(from, 'desk'),
    label: text(from, 'label'),
    state: text(from, 'state'),
    done: from['done'] === true,
    text: text(from, 'text')
  };
}

function fields(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

function text(from: Fields, name: string): string {
  const value = from[name];
  return typeof value === 'string' ? value : '';
}

/** Amounts come as decimal numerals, measures as numbers. */
function number(from: Fields, name: string): number | null {
  const value = from[name];
  const found = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof found === 'number' && Number.isFinite(found) ? found : null;
}
