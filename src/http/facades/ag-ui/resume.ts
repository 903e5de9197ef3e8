// The answers to interrupts: a paused run goes on, a question to a person is answered, or either is given up.
import type { LifecycleEvent } from "../../../contract/event.ts";
import { type CoordinatorError, err, ok, type Result } from "../../../contract/problem.ts";
import { parseJson } from "../../../core/json/exact-integer.ts";
import type { Call } from "../../context.ts";
import { invalid } from "../../request/body.ts";
import { readExecution } from "../facade.ts";
import { interruptOf, type ResumeEntry } from "./request.ts";

/** The execution that goes on, and the `seq` up to which its interrupts are answered. */
export interface Resumed {
  execution_id: string;
  after: number;
}

/** Takes the answers of a thread; one that was taken before changes nothing. */
export async function takeAnswers(
  call: Call,
  thread: string,
  entries: readonly ResumeEntry[],
): Promise<Result<Resumed>> {
  const places = entries.map(({ interruptId }) => interruptOf(interruptId));
  const execution_id = places[0]?.execution_id;
  const wrong = places.findIndex((place) => place === null || place.execution_id !== execution_id);
  if (execution_id === undefined || wrong !== -1) return err(unknown(Math.max(0, wrong)));
  const execution = await readExecution(call, execution_id);
  if (!execution.ok) return execution.error.code === "EXECUTION_NOT_FOUND" ? err(unknown(0)) : execution;
  // What a key may not see through this thread is not there.
  if (execution.value.conversation_id !== thread) return err(unknown(0));
  for (const [at, entry] of entries.entries()) {
    const { seq } = places[at] as { seq: number };
    const taken = await take(call, execution_id, seq, entry, at);
    if (!taken.ok) return taken;
  }
  return ok({ execution_id, after: Math.max(...places.map((place) => place?.seq ?? 0)) });
}

async function take(
  call: Call,
  execution_id: string,
  seq: number,
  { status, payload }: ResumeEntry,
  at: number,
): Promise<Result<null>> {
  const { services, tenant, key_id } = call.var;
  const rpc = services.executions.rpc(tenant, execution_id);
  const event = await eventAt(call, execution_id, seq);
  if (!event.ok) return event;
  const isResolved = status === "resolved";
  if (event.value?.type === "execution.paused") {
    const command = isResolved
      ? ({ type: "resume" } as const)
      : ({ type: "cancel", reason: "its interrupt was cancelled" } as const);
    const controlled = await rpc.control(command);
    if (controlled.ok && typeof controlled.value.json !== "string") await controlled.value.json.cancel();
    return controlled.ok || controlled.error.code === "EXECUTION_CONFLICT" ? ok(null) : controlled;
  }
  if (event.value?.type !== "stage.waiting" || event.value.data.reason !== "wait") return err(unknown(at));
  const data = payload ?? {};
  if (isResolved && (typeof data !== "object" || Array.isArray(data))) {
    return err(
      invalid([{ pointer: `/resume/${at}/payload`, detail: "must be an object: the stage's data" }]),
    );
  }
  const answer = isResolved
    ? { ok: true as const, data: data as Record<string, unknown> }
    : { ok: false as const, message: "its interrupt was cancelled" };
  const by = `key:${key_id ?? "local"}`;
  const command = { type: "signal" as const, stage: event.value.stage, wait: seq, answer, by };
  const receipt = await rpc.signal({ command, started_at: null });
  if (receipt.ok || receipt.error.code === "EXECUTION_CONFLICT") return ok(null);
  const { error } = receipt;
  if (error.code !== "SCHEMA_MISMATCH") return receipt;
  const errors = error.errors.map((fault) => ({
    ...fault,
    pointer: `/resume/${at}/payload${fault.pointer}`,
  }));
  return err({ ...error, errors });
}

async function eventAt(
  call: Call,
  execution_id: string,
  seq: number,
): Promise<Result<LifecycleEvent | null>> {
  const { services, tenant } = call.var;
  const listed = await services.executions.rpc(tenant, execution_id).events(seq - 1, "events", null);
  if (!listed.ok) return listed;
  const text = typeof listed.value === "string" ? listed.value : await new Response(listed.value).text();
  const { data } = parseJson(text) as { data: LifecycleEvent[] };
  return ok(data.find((event) => event.seq === seq) ?? null);
}

function unknown(at: number): CoordinatorError {
  return invalid([{ pointer: `/resume/${at}/interruptId`, detail: "is no interrupt of this thread" }]);
}
