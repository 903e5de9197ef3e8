// One run of the kill loop as its caller sees it: what was acknowledged, what a reader saw before each kill, what
// stands at the end.
import type { Calls } from "../support/clients/calls.ts";
import { lifecycle, readEvents, type Received } from "../support/clients/sse.ts";
import { vectorOf } from "./agents.ts";

export interface WatchedRun {
  execution_id: string;
  query: string;
  /** A reader follows it from the start. */
  watched: boolean;
  /** What its caller received before any kill; settles when the POST has ended in any way. */
  acknowledgement: Promise<void>;
  acknowledged: boolean;
  paused: boolean;
  /** What each reader saw, as `id data`, in order. */
  seen: string[][];
  /** The whole log, once the run has been looked at; empty where there is no such execution. */
  events: Received[];
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  final: any;
  pause(calls: Calls, mode: string): Promise<void>;
  /** A reader follows it again, from the first event on. */
  reconnect(calls: Calls): void;
  /** Resumes it where it is paused, reads it to its end and keeps what stands there. */
  finish(calls: Calls): Promise<void>;
}

export function watchRun(calls: Calls, execution_id: string, watched: boolean): WatchedRun {
  const query = `the question of ${execution_id}`;
  const run: WatchedRun = {
    execution_id,
    query,
    watched,
    acknowledgement: Promise.resolve(),
    acknowledged: false,
    paused: false,
    seen: [],
    events: [],
    final: null,
    pause: async (calls, mode) => {
      const response = await calls.send("POST", `/v1/executions/${execution_id}/pause`, { mode });
      run.paused = response.status === 200;
      await response.text();
    },
    reconnect: (calls) => {
      void follow(run, () => calls.fetch(`/v1/executions/${execution_id}/events`));
    },
    finish: async (calls) => {
      run.final = await end(run, calls);
      if (run.final === null) return;
      run.events = lifecycle(await readEvents(await calls.fetch(`/v1/executions/${execution_id}/events`)));
    },
  };
  started += 1;
  const body = { query, execution_id, pipeline: "five", pipeline_config: vectorOf(started) };
  const post = () => calls.post(body, watched ? STREAM : { prefer: "respond-async" });
  run.acknowledgement = watched ? follow(run, post, true) : acknowledge(run, post);
  return run;
}

/** Runs started so far, by all loops of this process. */
let started = 0;

const STREAM = { accept: "text/event-stream" };

async function acknowledge(run: WatchedRun, post: () => Promise<Response>): Promise<void> {
  try {
    const response = await post();
    const body = (await response.json()) as { execution_id?: string };
    run.acknowledged = response.status === 202 && body.execution_id === run.execution_id;
  } catch {
    // The server was killed first: nothing has been promised.
  }
}

/** Reads a stream as long as it lives. @returns when the first event has come, where that is asked for, else at its end */
async function follow(run: WatchedRun, open: () => Promise<Response>, first = false): Promise<void> {
  const seen: string[] = [];
  run.seen.push(seen);
  const began = Promise.withResolvers<void>();
  const reading = (async () => {
    try {
      await readEvents(await open(), (event) => {
        if (event.id !== null) seen.push(`${event.id} ${event.raw}`);
        run.acknowledged ||= first && seen.length > 0;
        began.resolve();
      });
    } catch {
      // The server was killed under the stream.
    }
    began.resolve();
  })();
  await (first ? began.promise : reading);
}

// oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
async function end(run: WatchedRun, calls: Calls): Promise<any> {
  const path = `/v1/executions/${run.execution_id}`;
  const response = await calls.fetch(path);
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  let body = (await response.json()) as any;
  if (response.status === 404) return null;
  if (body.status === "paused") {
    await (await calls.send("POST", `${path}/resume`, {})).text();
  }
  for (let tries = 0; tries < 400 && (body.status === "running" || body.status === "paused"); tries += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 25);
    });
    body = await calls.read(run.execution_id);
  }
  return body;
}
