// The Worker's client of an execution's object. Where a disconnected client must abort the request (streams, and callers
// whose disconnect matters) it uses fetch; all else uses RPC, which costs half of that.
import type { Result } from "../../contract/problem.ts";
import type { FlightCaller } from "../../core/caching/single-flight.ts";
import { callbackRequest, readReceipt } from "../../engine/callback-protocol.ts";
import {
  type ExecutionRpc,
  followRequest,
  type ObjectRequest,
  refusalResponse,
  restRequest,
  type RunPresence,
  type SharedCall,
  streamRequest,
} from "../../engine/object-protocol.ts";
import type { Executions } from "../../engine/worker-ports.ts";
import { callObject } from "./storage-faults.ts";

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
  const fetched = async (tenant: string, execution_id: string, request: ObjectRequest) => {
    // A repeated request attaches to the same run: the id is the same.
    const call = () => stub(tenant, execution_id).fetch(request.url, request.init);
    const response = await guarded(tenant, execution_id, call, true);
    return response.ok ? response.value : refusalResponse(response.error);
  };
  return {
    follow: (tenant, execution_id, message, signal) =>
      fetched(tenant, execution_id, followRequest(message, signal)),
    stream: (tenant, execution_id, reader, signal) =>
      fetched(tenant, execution_id, streamRequest(reader, signal)),
    callback: async (tenant, execution_id, target, sent) => {
      const { url, init } = callbackRequest(target, sent);
      const call = () => stub(tenant, execution_id).fetch(url, init);
      const response = await guarded(tenant, execution_id, call, false);
      return response.ok ? readReceipt(response.value) : response;
    },
    rest: (tenant, execution_id, reader) => fetched(tenant, execution_id, restRequest(reader)),
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
        forkSource: () => flat((rpc) => rpc.forkSource()),
        // The same answer again is the same.
        signal: (message) => flat((rpc) => rpc.signal(message)),
        waitOf: (stage, token) => flat((rpc) => rpc.waitOf(stage, token)),
        // What is gone already is not there to be forgotten.
        forget: () => flat((rpc) => rpc.forget(), false),
        expire: (started_at) => rpcOf(tenant, execution_id).expire(started_at),
        isCalling: (call) => rpcOf(tenant, execution_id).isCalling(call),
        shareCalls: () => rpcOf(tenant, execution_id).shareCalls(),
        admit: () => rpcOf(tenant, execution_id).admit(),
        supersede: (by) => rpcOf(tenant, execution_id).supersede(by),
        steer: (command) => rpcOf(tenant, execution_id).steer(command),
        childMoved: (unit, child, seq) => rpcOf(tenant, execution_id).childMoved(unit, child, seq),
        ending: () => flat((rpc) => rpc.ending()),
        reportEnd: () => rpcOf(tenant, execution_id).reportEnd(),
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

/** Empties the object of an execution whose retention is over. @param started_at of the run, ms since the epoch */
export function expireExecution(
  namespace: DurableObjectNamespace,
  tenant: string,
  execution_id: string,
  started_at: number,
): Promise<void> {
  const id = namespace.idFromName(`${tenant}/${execution_id}`);
  return (namespace.get(id) as unknown as ExecutionRpc).expire(started_at);
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

/** Has an execution report its end, if it has ended. See ExecutionRpc. */
export function reportEndOf(
  namespace: DurableObjectNamespace,
  tenant: string,
  execution_id: string,
): Promise<void> {
  const id = namespace.idFromName(`${tenant}/${execution_id}`);
  return (namespace.get(id) as unknown as ExecutionRpc).reportEnd();
}

/** Asks an execution's object for its run, which asks for its place where it waits. See ExecutionRpc. */
export function wakeExecution(
  namespace: DurableObjectNamespace,
  tenant: string,
  execution_id: string,
): Promise<RunPresence> {
  const id = namespace.idFromName(`${tenant}/${execution_id}`);
  return (namespace.get(id) as unknown as ExecutionRpc).admit();
}

/** Has an execution cancelled by a later question of its conversation. See ExecutionRpc. */
export function supersedeExecution(
  namespace: DurableObjectNamespace,
  tenant: string,
  execution_id: string,
  by: string,
): Promise<RunPresence> {
  const id = namespace.idFromName(`${tenant}/${execution_id}`);
  return (namespace.get(id) as unknown as ExecutionRpc).supersede(by);
}

/** The name of an object that never holds anything: no execution's id has a dot. */
const PROBE = "storage.probe";
