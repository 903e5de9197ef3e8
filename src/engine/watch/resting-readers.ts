// Readers of a run at rest. A reader that has every event then has no stream, which would keep the object in memory, but
// a socket that the platform keeps while the object is out of memory (a hibernatable WebSocket). When something happens
// each socket gets one message and is closed, and its reader comes back for a stream. Owns these sockets.
import { isAtRest } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import { wakeMessage } from "../object-protocol.ts";
import type { ExecutionDriver, Watcher } from "../run/driver.ts";

/** The sockets of an object as its platform keeps them, also those that an earlier instance has accepted. */
export interface ReaderSockets {
  accept(socket: WebSocket, kind: ReaderKind): void;
  /** Those of one kind, or all; also such as are being closed. */
  all(kind?: ReaderKind): WebSocket[];
}

/** A watcher's leaving may cancel its run. */
export type ReaderKind = "reader" | "watcher";

/** Whether a reader that has the events up to this one waits for a command from outside, or the alarm. */
export function restsAfter(
  driver: Pick<ExecutionDriver, "state" | "fault" | "hasCalls">,
  seq: number,
): boolean {
  const { state } = driver;
  if (state === null || !isAtRest(state) || seq < state.seq) return false;
  // A run without storage ends with the instance that it is in: it stays.
  return driver.fault === null && !driver.hasCalls && state.spec.storage === "durable_object";
}

export class RestingReaders implements Watcher {
  // Readers see nothing of a batch before they are back with a stream, which waits until it is durable.
  readonly sees_batches = false;
  private readonly sockets: ReaderSockets;
  private readonly onWoken: () => void;
  /** False where this instance knows that there is none: nearly all runs never ask the platform again. */
  private mayBeAny = true;

  /** @param onWoken called after readers were sent back */
  constructor(sockets: ReaderSockets, onWoken: () => void) {
    this.sockets = sockets;
    this.onWoken = onWoken;
  }

  /** How many watchers are at rest. */
  get watchers(): number {
    return this.mayBeAny ? this.sockets.all("watcher").filter(isOpen).length : 0;
  }

  /** Keeps a reader's socket. @param rests false where something has happened since its stream ended */
  accept(socket: WebSocket, kind: ReaderKind, rests: boolean): void {
    this.sockets.accept(socket, kind);
    this.mayBeAny = true;
    if (!rests) sendBack(socket, 0);
  }

  callBegan(): void {
    this.wake();
  }

  wake(): void {
    if (!this.mayBeAny) return;
    const open = this.sockets.all().filter(isOpen);
    this.mayBeAny = false;
    // All at once they would hold up the run that has just gone on.
    open.forEach((socket, at) => sendBack(socket, at * TIMINGS.REST_WAKE_GAP_MS));
    if (open.length > 0) this.onWoken();
  }
}

function isOpen({ readyState }: WebSocket): boolean {
  return readyState === OPEN;
}

function sendBack(socket: WebSocket, wait_ms: number): void {
  try {
    socket.send(wakeMessage(wait_ms));
    socket.close();
  } catch {
    // It has been closed from the other side.
  }
}

/** `WebSocket.OPEN`, which workerd names differently from other platforms. */
const OPEN = 1;
