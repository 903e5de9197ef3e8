// The open questions, soonest expiry first: polled while somebody is signed in, for the number in the navigation and
// for the inbox.
import { computed, effect, signal } from "@preact/signals";
import { CoordinatorClientError, type Wait } from "../../client/index.ts";
import { route } from "../lib/route.ts";
import { client, keyWanted } from "../lib/session.ts";

/** While the inbox is shown, and while only their number is. */
const RENEW_MS = { shown: 1_500, counted: 5_000 };
const ROWS = 50;
/** What an older coordinator answers, and a key without permission: asking again is of no use. */
const FINAL = new Set(["NOT_FOUND", "FORBIDDEN"]);

export interface Inbox {
  rows: readonly Wait[];
  has_more: boolean;
}

/** Null until it is read. */
export const inbox = signal<Inbox | null>(null);
export const inboxFailure = signal<unknown>(null);
/** How many pages are read. */
const pages = signal(1);

async function renew(count: number, left: AbortSignal): Promise<void> {
  const rows: Wait[] = [];
  let cursor: string | null = null;
  let has_more = false;
  for (let page = 0; page < count; page += 1) {
    const filter = cursor === null ? { limit: ROWS } : { limit: ROWS, cursor };
    const list = await client().waits(filter, { signal: left });
    rows.push(...list.data);
    ({ has_more, next_cursor: cursor } = list);
    if (cursor === null) break;
  }
  inbox.value = { rows, has_more };
  inboxFailure.value = null;
}

async function poll(count: number, isShown: boolean, left: AbortSignal): Promise<void> {
  while (!left.aborted) {
    try {
      if (!document.hidden) await renew(count, left);
    } catch (cause) {
      if (left.aborted) return;
      inboxFailure.value = cause;
      if (cause instanceof CoordinatorClientError && FINAL.has(cause.code)) return;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, isShown ? RENEW_MS.shown : RENEW_MS.counted);
    });
  }
}

const isShown = computed(() => route.value.page === "waits");

effect(() => {
  // Another client is another key: what it may see is another list.
  client();
  const count = pages.value;
  if (keyWanted.value !== null) return undefined;
  const leaving = new AbortController();
  void poll(count, isShown.value, leaving.signal);
  return () => leaving.abort();
});

/** Reads a page more. */
export function readMore(): void {
  pages.value += 1;
}
