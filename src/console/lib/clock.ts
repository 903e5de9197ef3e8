// The coordinator's clock, and a ticking signal for animated parts of the page. Events carry the server's
// time: a laptop whose clock is minutes off must not draw bars minutes long.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const FRAME_MS = 100;
/** The Date header counts whole seconds: smaller differences are ignored. */
const NOTICED_MS = 2_000;

let offsetMs = 0;

export function setClock(serverTime: number): void {
  const difference = serverTime - Date.now();
  offsetMs = Math.abs(difference) < NOTICED_MS ? 0 : difference;
}

function serverNow(): number {
  return Date.now() + offsetMs;
}

const now = signal(serverNow());
let watchers = 0;
let timer = 0;

/** The server's time, renewed ten times a second while `live`. */
export function useNow(live: boolean): number {
  useEffect(() => {
    if (!live) return undefined;
    watchers += 1;
    if (watchers === 1) {
      timer = window.setInterval(() => {
        now.value = serverNow();
      }, FRAME_MS);
    }
    return () => {
      watchers -= 1;
      if (watchers === 0) clearInterval(timer);
    };
  }, [live]);
  // One that does not live is not drawn again by the clock.
  return live ? Math.max(now.value, serverNow() - FRAME_MS) : now.peek();
}
