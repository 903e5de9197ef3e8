// The answers to interrupts: a paused run goes on, a question to a person is answered, or either is given up. All of them
// are checked before the first is taken.
import type { LifecycleEvent } from "../../../contract/event.ts";
import type { JsonObject } from "../../../contract/json.ts";
import { type CoordinatorError, err, type InputError, ok, type Result } from "../../../contract/problem.ts";
import type { Resumption } from "../../../core/dialects/ag-ui/encoder.ts";
import { dataFaults } from "../../../core/schemas/data-faults.ts";
import { parseJson } from "../../../core/json/exact-integer.ts";
import type { ControlCommand, ExecutionRpc, SignalCommand } from "../../../engine/object-protocol.ts";
import type { Call } from "../../context.ts";
import { invalid } from "../../request/body.ts";
import { readExecution } from "../facade.ts";
import { resumeWith } from "../raise.ts";
import { interruptOf, type ResumeEntry } from "./request.ts";

/** The execution that goes on. */
export interface Resumed extends Resumption {
  execution_id: string;
}

/** Takes the answers of a thread, or none where one is wrong; one that was taken before changes nothing. */
export async function takeAnswers(
  call: Call,
  thread: string,
  entries: readonly ResumeEntry[],
): Promise<Result<Resumed>> {
  const { services, tenant, key_id } = call.var;
  const places = entries.map(({ interruptId }) => interruptOf(interruptId));
  const execution_id = places[0]?.execution_id;
  const seqs = places.map((place) => (place?.execution_id === execution_id ? place?.seq : undefined));
  const wrong = seqs.indexOf(undefined);
  if (execution_id === undefined || wrong !== -1) return err(unknown(Math.max(0, wrong)));
  const twice = seqs.findIndex((seq, at) => seqs.indexOf(seq) !== at);
  if (twice !== -1) return err(wrongId(twice, "is answered by another entry, too"));
  const execution = await readExecution(call, execution_id);
  if (!execution.ok) return execution.error.code === "EXECUTION_NOT_FOUND" ? err(unknown(0)) : execution;
  // What a key may not see through this thread is not there.
  if (execution.value.conversation_id !== thread) return err(unknown(0));
  const rpc = services.executions.rpc(tenant, execution_id);
  const numbers = seqs as number[];
  const events = await eventsAfter(rpc, Math.min(...numbers) - 1);
  if (!events.ok) return events;
  const commands: (ControlCommand | SignalCommand | null)[] = [];
  for (const [at, entry] of entries.entries()) {
    const command = commandOf(events.value, numbers[at] as number, entry, at, `key:${key_id ?? "local"}`);
    if (!command.ok) return command;
    commands.push(command.value);
  }
  for (const [at, command] of commands.entries()) {
    if (command === null) continue;
    const taken =
      command.type === "signal"
        ? await answer(rpc, command, at)
        : await control(rpc, command, numbers[at] as number);
    if (!taken.ok) return taken;
  }
  return ok({ execution_id, answered: numbers, after: events.value.at(-1)?.seq ?? 0 });
}

/** What an entry asks of the execution; null where its pause is over. @param events its interrupt's, and those after it */
function commandOf(
  events: readonly LifecycleEvent[],
  seq: number,
  { status, payload }: ResumeEntry,
  at: number,
  by: string,
): Result<ControlCommand | SignalCommand | null> {
  const event = events.find((each) => each.seq === seq);
  const isResolved = status === "resolved";
  const reason = "its interrupt was cancelled";
  if (event?.type === "execution.paused") {
    if (events.some((each) => each.type === "execution.resumed" && each.seq > seq)) return ok(null);
    return isResolved ? resumeWith(payload, `/resume/${at}/payload`) : ok({ type: "cancel", reason });
  }
  if (event?.type !== "stage.waiting" || event.data.reason !== "wait") return err(unknown(at));
  const { stage, data } = event;
  const signal = { type: "signal" as const, stage, wait: seq, by };
  if (!isResolved) return ok({ ...signal, answer: { ok: false, message: reason } });
  const given = payload ?? {};
  if (typeof given !== "object" || Array.isArray(given)) {
    return err(
      invalid([{ pointer: `/resume/${at}/payload`, detail: "must be an object: the stage's data" }]),
    );
  }
  const isOver = events.some((each) => each.stage === stage && each.seq > seq);
  const faults = isOver ? [] : dataFaults(data.schema ?? {}, given);
  if (faults.length > 0) return err(mismatch(stage, faults, at));
  return ok({ ...signal, answer: { ok: true, data: given as JsonObject } });
}

/** @param seq of the pause */
async function control(rpc: ExecutionRpc, command: ControlCommand, seq: number): Promise<Result<null>> {
  const controlled = await rpc.control(command);
  if (controlled.ok && typeof controlled.value.json !== "string") await controlled.value.json.cancel();
  if (controlled.ok) return ok(null);
  if (controlled.error.code !== "EXECUTION_CONFLICT") return controlled;
  // It goes on, or has ended, by another request; or it is still paused, for its budget is not enough.
  const events = await eventsAfter(rpc, seq);
  return events.ok && !events.value.some(({ type }) => GOES_ON.has(type)) ? controlled : ok(null);
}

const GOES_ON: ReadonlySet<string> = new Set<LifecycleEvent["type"]>([
  "execution.resumed",
  "execution.completed",
  "execution.failed",
  "execution.cancelled",
]);

async function answer(rpc: ExecutionRpc, command: SignalCommand, at: number): Promise<Result<null>> {
  const receipt = await rpc.signal({ command, started_at: null });
  if (receipt.ok) return ok(null);
  const { error } = receipt;
  if (error.code === "SCHEMA_MISMATCH") return err(mismatch(error.stage, error.errors, at));
  if (error.code !== "EXECUTION_CONFLICT") return receipt;
  // It has been answered, or its time is over; a question that is still open has refused the answer.
  const asked = await rpc.waitOf(command.stage, null);
  return asked.ok && asked.value.state === "open" && asked.value.seq === command.wait ? receipt : ok(null);
}

async function eventsAfter(rpc: ExecutionRpc, seq: number): Promise<Result<LifecycleEvent[]>> {
  const listed = await rpc.events(seq, "events", null);
  if (!listed.ok) return listed;
  const text = typeof listed.value === "string" ? listed.value : await new Response(listed.value).text();
  return ok((parseJson(text) as { data: LifecycleEvent[] }).data);
}

function mismatch(stage: string, faults: readonly InputError[], at: number): CoordinatorError {
  const errors = faults.map((fault) => ({ ...fault, pointer: `/resume/${at}/payload${fault.pointer}` }));
  return { code: "SCHEMA_MISMATCH", stage, errors };
}

function unknown(at: number): CoordinatorError {
  return wrongId(at, "is no interrupt of this thread");
}

function wrongId(at: number, detail: string): CoordinatorError {
  return invalid([{ pointer: `/resume/${at}/interruptId`, detail }]);
}
