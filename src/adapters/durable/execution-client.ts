// The responses of an execution's object, and the Worker's client of it. Where a disconnected client must abort the
// request (streams, and callers whose disconnect matters) it uses fetch; all else uses RPC, which costs half of that.
// Owns the headers between the two.
import type { ExecutionStatus } from "../../contract/execution.ts";
import type { CoordinatorError, Result } from "../../contract/problem.ts";
import type { Command } from "../../core/execution/command.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";
import { isTerminal } from "../../core/execution/state.ts";
import { type Text, withEnd } from "../../engine/watch/text-stream.ts";
import type { SharedCall } from "./result-cache-rpc.ts";
import type { FlightCaller } from "../../core/caching/single-flight.ts";
import type { TenantHealth } from "./agent-health-client.ts";
import { callObject } from "./storage-faults.ts";

/** A run to start, or to attach to where it is there already. */
interface Start {
  /** Fingerprint of the request for a caller-given id; null if the id is random. */
  digest: string | null;
  /** Null where nothing can be started, and only attaching is left. */
  spec: RunSpec | null;
  /** The Worker's known health of the tenant's agents, so that the first call needs no request; null if unknown. */
  health: TenantHealth | null;
}

/** Wait for the execution as JSON for at most this many ms (null: until it is terminal). */
export interface RunMessage extends Start {
  wait_ms: number | null;
}

/** To follow it, as a stream or waiting for JSON: the object notices when the caller leaves. */
export interface FollowMessage extends Start {
  /** The `seq` that the caller has. */
  after: number;
  /** The caller had a stream of this run, which broke off before its end. */
  reattach?: true;
  /** An answer that the object itself writes says where to follow a run that is not terminal, with a token of this key. */
  answer: "stream" | { wait_ms: number | null; key_id: string | null };
}

export type ControlCommand = Extract<Command, { type: "pause" | "resume" | "cancel" }>;

/** JSON text of a PipelineExecution, with the fields that the Worker needs. */
export interface ExecutionText {
  status: ExecutionStatus;
  /** Ms since the epoch. */
  started_at: number;
  json: Text;
}

/** The form of a list of an execution's events: the events themselves, or its trace. */
export type EventView = "events" | "trace";

/** Where a browser follows an execution, with the token that lets its EventSource in. */
export function streamUrlOf(execution_id: string, token: string): string {
  return `/v1/executions/${execution_id}/events?token=${token}`;
}

/** The JSON of an answer: one about an execution that is not terminal says where to follow it. */
export function withStreamUrl(
  { status, json }: Pick<ExecutionText, "status" | "json">,
  stream_url: string,
): Text {
  return isTerminal(status) ? json : withEnd(json, `,"stream_url":${JSON.stringify(stream_url)}}`);
}

/** The methods that the object answers by RPC. */
export interface ExecutionRpc {
  /** @param message a RunMessage as JSON, which travels for less */
  run(message: string): Promise<Result<ExecutionText>>;
  read(): Promise<Result<ExecutionText>>;
  control(command: ControlCommand): Promise<Result<ExecutionText>>;
  /**
   * The JSON list of the events after `seq`, or of all of them as a trace.
   * @param started_at what the caller's token says of the run's start; null where it has none
   */
  events(after: number, view: EventView, started_at: number | null): Promise<Result<Text>>;
  /** Deletes an execution that has ended, here and wherever something of it is kept. */
  forget(): Promise<Result<null>>;
  /** Whether this instance of the object has the call in flight. @param call the `seq` of its stage.started */
  isCalling(call: number): Promise<boolean>;
  /**
   * Another run is at the same question: this one tells the cache what it has made, and each of its stages asks from now
   * on. Its calls in flight; null where this instance has no run that goes on.
   */
  shareCalls(): Promise<SharedCall[] | null>;
}

/** The content type of a refusal: a CoordinatorError as JSON. */
export const REFUSAL_TYPE = "application/vnd.agent-coordinator.refusal+json";
/** The status of the execution that a JSON answer holds. */
export const STATUS_HEADER = "x-execution-status";

/** The requester of a stream. */
interface StreamReader {
  /** The last `seq` that the reader has. */
  after: number;
  /** The reader was cut off after that, and may have half a text. */
  resumes: boolean;
  /** The reader had a stream of this run, which broke off before its end. */
  reattach: boolean;
  /** The run's start in the reader's token; null without a token. */
  started_at: number | null;
}

export interface Executions {
  follow(
    tenant: string,
    execution_id: string,
    message: FollowMessage,
    signal: AbortSignal,
  ): Promise<Response>;
  stream(tenant: string, execution_id: string, reader: StreamReader, signal: AbortSignal): Promise<Response>;
  rpc(tenant: string, execution_id: string): ExecutionRpc;
}

/** Storage faults of an object are returned as refusals by every call. */
export function executionsOver(namespace: DurableObjectNamespace): Executions {
  const stub = (tenant: string, execution_id: string) =>
    namespace.get(namespace.idFromName(`${tenant}/${execution_id}`));
  const rpcOf = (tenant: string, execution_id: string) =>
    stub(tenant, execution_id) as unknown as ExecutionRpc;
  const guarded = <T>(
    tenant: string,
    execution_id: string,
    call: () => Promise<T>,
    repeatable: boolean,
  ): Promise<Result<T>> =>
    callObject({ execution_id, call, repeatable, probe: () => rpcOf(tenant, PROBE).read() });
  const fetched = async (tenant: string, execution_id: string, path: string, init: RequestInit) => {
    // A repeated request attaches to the same run: the id is the same.
    const call = () => stub(tenant, execution_id).fetch(`https://execution/${path}`, init);
    const response = await guarded(tenant, execution_id, call, true);
    return response.ok ? response.value : refusal(response.error);
  };
  return {
    follow: (tenant, execution_id, message, signal) =>
      fetched(tenant, execution_id, "run", { method: "POST", body: JSON.stringify(message), signal }),
    stream: (tenant, execution_id, { after, resumes, reattach, started_at }, signal) => {
      const flags = `${resumes ? "&resumes" : ""}${reattach ? "&reattach" : ""}`;
      const path = `events?after=${after}${flags}${started_at === null ? "" : `&started_at=${started_at}`}`;
      return fetched(tenant, execution_id, path, { signal });
    },
    rpc: (tenant, execution_id) => {
      const flat = async <T>(call: (rpc: ExecutionRpc) => Promise<Result<T>>, repeatable = true) => {
        const answer = await guarded(
          tenant,
          execution_id,
          () => call(rpcOf(tenant, execution_id)),
          repeatable,
        );
        return answer.ok ? answer.value : answer;
      };
      return {
        // A repeated request attaches to the same run: the id is the same.
        run: (message) => flat((rpc) => rpc.run(message)),
        read: () => flat((rpc) => rpc.read()),
        // A resume that is made twice is refused.
        control: (command) => flat((rpc) => rpc.control(command), command.type !== "resume"),
        events: (after, view, started_at) => flat((rpc) => rpc.events(after, view, started_at)),
        // What is gone already is not there to be forgotten.
        forget: () => flat((rpc) => rpc.forget(), false),
        isCalling: (call) => rpcOf(tenant, execution_id).isCalling(call),
        shareCalls: () => rpcOf(tenant, execution_id).shareCalls(),
      };
    },
  };
}

/** Whether an execution's call is in flight now: an object restarted after a crash no longer has it. */
export function callIsRunning(
  namespace: DurableObjectNamespace,
  tenant: string,
  { execution_id, call }: FlightCaller,
): Promise<boolean> {
  const id = namespace.idFromName(`${tenant}/${execution_id}`);
  return (namespace.get(id) as unknown as ExecutionRpc).isCalling(call);
}

/** An execution's calls in flight, to be shared with another run. See ExecutionRpc. */
export function callsOf(
  namespace: DurableObjectNamespace,
  tenant: string,
  execution_id: string,
): Promise<SharedCall[] | null> {
  const id = namespace.idFromName(`${tenant}/${execution_id}`);
  return (namespace.get(id) as unknown as ExecutionRpc).shareCalls();
}

/** The name of an object that never holds anything: no execution's id has a dot. */
const PROBE = "storage.probe";

/** A refusal as the object's fetch gives it. */
function refusal(error: CoordinatorError): Response {
  return new Response(JSON.stringify(error), { headers: { "content-type": REFUSAL_TYPE } });
}

/** The refusal that a response of the object carries, or null. */
export async function refusalOf(response: Response): Promise<CoordinatorError | null> {
  if (response.headers.get("content-type") !== REFUSAL_TYPE) return null;
  return (await response.json()) as CoordinatorError;
}
