// The session: the key of this tab, the client made with it, and the state of the connection as observed by calls.
// The key is in sessionStorage: it ends with the tab, and no other tab has it.
import { computed, effect, signal } from "@preact/signals";
import {
  CoordinatorClient,
  type Execution,
  type ExecutionEvent,
  type FollowOptions,
} from "../../client/index.ts";
import { setClock } from "./clock.ts";

const STORED = "agent-coordinator.key";
const PING_MS = 1_500;

const key = signal<string | null>(sessionStorage.getItem(STORED));
/** Why a key is asked for; null where none is. */
export const keyWanted = signal<string | null>(null);
export const hasKey = computed(() => key.value !== null);
/** True from a call that nothing answered until one that something did. */
export const isCut = signal(false);

/** The ETags of resources read, by path, which a write sends so that it changes only the version that was read. */
const etags = new Map<string, string>();

async function call(input: string, init: RequestInit): Promise<Response> {
  const response = await fetchWithKey(input, init);
  const tag = response.headers.get("etag");
  if (tag !== null) etags.set(new URL(input).pathname, tag);
  if (response.status === 401) {
    const problem = (await response
      .clone()
      .json()
      .catch(() => null)) as { detail?: string } | null;
    keyWanted.value = problem?.detail ?? "The coordinator requires a key.";
  }
  return response;
}

/** A fetch that notes whether anything answers, and what time it is there. */
async function fetchWithKey(input: string, init: RequestInit): Promise<Response> {
  try {
    const response = await fetch(input, init);
    isCut.value = false;
    const date = response.headers.get("date");
    if (date !== null) setClock(Date.parse(date));
    return response;
  } catch (cause) {
    if (init.signal?.aborted !== true) isCut.value = true;
    throw cause;
  }
}

const current = computed(() => clientWith(key.value));

function clientWith(apiKey: string | null): CoordinatorClient {
  const options = { baseUrl: location.origin, fetch: call };
  return new CoordinatorClient(apiKey === null ? options : { ...options, apiKey });
}

/** The client of the signed-in user; components that call it re-render on sign-in. */
export function client(): CoordinatorClient {
  return current.value;
}

/** Takes the key if the coordinator does. @throws CoordinatorClientError where it does not, or nothing answers */
export async function signIn(candidate: string): Promise<void> {
  // Bypasses the sign-in gate: a wrong key is reported next to its field.
  const trial = new CoordinatorClient({ baseUrl: location.origin, apiKey: candidate, fetch: fetchWithKey });
  await trial.listPipelines();
  sessionStorage.setItem(STORED, candidate);
  key.value = candidate;
  keyWanted.value = null;
}

export function signOut(): void {
  sessionStorage.removeItem(STORED);
  key.value = null;
  keyWanted.value = "You have signed out.";
}

/** The tag under which a pipeline was last read or written here. */
export function pipelineTag(name: string): string | undefined {
  return etags.get(`/v1/pipelines/${encodeURIComponent(name)}`);
}

/**
 * The events of a run. While it lives it is followed with its stream token, which opens this one stream and nothing
 * else; the key goes with short calls only.
 */
export function eventsOf(
  execution: Execution,
  options: FollowOptions,
): AsyncGenerator<ExecutionEvent, void, undefined> {
  const { execution_id, stream_url } = execution;
  if (stream_url === undefined) return client().stream(execution_id, options);
  const { search } = new URL(stream_url, location.origin);
  const follower = new CoordinatorClient({
    baseUrl: location.origin,
    fetch: (input, init) => fetchWithKey(`${input}${search}`, init),
  });
  return follower.stream(execution_id, options);
}

addEventListener("offline", () => {
  isCut.value = true;
});

// After a lost connection the page polls until the coordinator responds.
effect(() => {
  if (!isCut.value) return undefined;
  const ping = () =>
    void client()
      .listExecutions({ limit: 1 })
      .catch(() => {});
  const timer = setInterval(ping, PING_MS);
  addEventListener("online", ping);
  return () => {
    clearInterval(timer);
    removeEventListener("online", ping);
  };
});
