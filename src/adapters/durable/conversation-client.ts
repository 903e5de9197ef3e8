// The client of the objects in which earlier versions kept each conversation's turns. The execution index has those of
// runs that began with this version; the objects are read until their turns have expired, and take the turns of runs
// that were in flight at the upgrade.
import type { Conversations } from "../../engine/worker-ports.ts";
import type { ConversationTurn } from "../../contract/execution.ts";
import type { KeptTurn } from "../../core/monitoring/conversation-turn.ts";
import { parseJson } from "../../core/json/exact-integer.ts";
import type { Clock } from "../../engine/ports.ts";
import { Guards, LOST } from "../platform/guard.ts";

export interface ConversationRpc {
  /** The last `count` turns that are still kept, oldest first: a ConversationTurn[] as JSON, which travels for less. */
  turns(count: number): Promise<string>;
  /** Keeps a turn; the same one again changes nothing. */
  add(turn: KeptTurn): Promise<void>;
  forget(execution_id: string): Promise<void>;
  clear(): Promise<void>;
}

/**
 * Time limit of the read, in ms, after which a run starts without them: within that of the index, which asks. Then no
 * run of the conversation waits until it has answered.
 */
const READ_MS = 900;

export function conversationsOver(namespace: DurableObjectNamespace, clock: Clock): Conversations {
  const guards = new Guards(() => ({ clock, limit_ms: READ_MS }));
  const rpc = (tenant: string, conversation_id: string) =>
    namespace.get(namespace.idFromName(`${tenant}/${conversation_id}`)) as unknown as ConversationRpc;
  return {
    async history(tenant, conversation_id, count) {
      if (count === 0) return [];
      const guard = guards.of(`${tenant}/${conversation_id}`);
      const turns = await guard.ask(() => rpc(tenant, conversation_id).turns(count));
      if (turns !== LOST) return parseJson(turns) as ConversationTurn[];
      console.error(JSON.stringify({ level: "ERROR", message: "a conversation could not be read" }));
      return [];
    },
    add: (tenant, conversation_id, turn) => rpc(tenant, conversation_id).add(turn),
    forget: (tenant, conversation_id, execution_id) => rpc(tenant, conversation_id).forget(execution_id),
    clear: (tenant, conversation_id) => rpc(tenant, conversation_id).clear(),
  };
}
