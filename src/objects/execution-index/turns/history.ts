// What a conversation's next question is given of it: the turns of its own shard, of former shards and of an earlier
// version; after the ends of its runs, whose answers may have been faster than their reports.
import type { ExecutionIndexRpc, FormerTurns } from "../../../adapters/durable/execution-index-client.ts";
import { reportEndOf } from "../../../adapters/durable/execution-client.ts";
import { within } from "../../../adapters/platform/time-limit.ts";
import type { FormerHome } from "../../../core/monitoring/shards.ts";
import type { TurnPlace, TurnsBefore, TurnsQuery } from "../../../engine/conversation-turns.ts";
import type { PlaceRows } from "../admission/places.ts";
import type { EarlierVersion } from "../earlier/earlier-version.ts";
import { type FormerHomes, lastOf } from "../former-homes.ts";
import type { RunRows } from "../run-rows.ts";
import type { StartNotes } from "../start-notes.ts";

/** Time limit of runs that are asked whether they have ended: an object that has one in memory answers in a few ms. */
const END_WAIT_MS = 100;
/** Where more of a conversation's runs are running none is asked: its questions do not wait for one another. */
const MOST_ASKED = 3;

/** Before every turn. */
const FIRST: TurnPlace = { at: -1, id: "" };

export interface HistoryParts {
  rows: RunRows;
  notes: StartNotes;
  places: PlaceRows;
  former: FormerHomes;
  earlier: EarlierVersion;
  executions: DurableObjectNamespace;
  tenant: string;
  /** Writes the reports of the conversation that are there. */
  gathered(conversation_id: string): Promise<void>;
}

export class ConversationHistory {
  private readonly parts: HistoryParts;
  private readonly awaited = new Set<string>();

  constructor(parts: HistoryParts) {
    this.parts = parts;
  }

  /** Whether the next question of a conversation waits for the reports of its runs: they are written as they come. */
  awaits(conversation_id: string): boolean {
    return this.awaited.has(conversation_id);
  }

  /**
   * Resolves once the ends of the conversation's runs are written, as far as there are any: the answer to a question may
   * have been faster than the report of its run. Runs that are not known to have ended are asked, within a time limit.
   * @param own the run that begins now
   */
  async ends(conversation_id: string, own: string | undefined): Promise<void> {
    const { rows, notes, places, executions, tenant } = this.parts;
    await this.parts.gathered(conversation_id);
    const now = Date.now();
    const placed = places.of(conversation_id, now).filter(({ state }) => state === "running");
    const open = new Set([
      ...rows.running(conversation_id),
      ...notes.of(conversation_id, now),
      ...placed.map(({ execution_id }) => execution_id),
    ]);
    const others = [...open].filter((id) => id !== own);
    if (others.length === 0 || others.length > MOST_ASKED) return;
    this.awaited.add(conversation_id);
    const reported = others.map((id) => reportEndOf(executions, tenant, id));
    await within(END_WAIT_MS, Promise.allSettled(reported), []);
    this.awaited.delete(conversation_id);
  }

  /**
   * The last turns of a conversation, oldest first: a ConversationTurn[] as JSON.
   * @param execution_id what is looked for besides in former shards; null where nothing is
   * @param onFormer called with what they have, where they are asked
   */
  async read(
    conversation_id: string,
    turns: number,
    former: readonly FormerHome[],
    execution_id: string | null = null,
    onFormer: (found: FormerTurns) => void = () => {},
  ): Promise<string> {
    const { rows, earlier } = this.parts;
    let history = rows.turns.history(conversation_id, turns, Date.now());
    if (former.length > 0 && (history.length < turns || execution_id !== null)) {
      const found = await this.parts.former.ask(conversation_id, former, turns, execution_id);
      onFormer(found);
      history = lastOf([...found.turns, ...history], turns);
    }
    const before = await earlier.turns(conversation_id, turns - history.length);
    return `[${[...before.map((turn) => JSON.stringify(turn)), ...history.map(({ turn }) => turn)].join(",")}]`;
  }

  /** What precedes a turn, and who has it: see ExecutionIndexRpc. */
  async before({ conversation_id, turn, turns, former }: TurnsBefore): Promise<string> {
    await this.ends(conversation_id, undefined);
    const now = Date.now();
    const found = await this.parts.former.ask(conversation_id, former, turns, null, turn);
    const { turns: places } = this.parts.rows;
    const own = places.history(conversation_id, turns, now, turn.at);
    const history = lastOf([...found.turns, ...own], turns).map((each) => each.turn);
    const holder = places.holder(conversation_id, turn.execution_id, now) ?? found.holder;
    return `{"history":[${history.join(",")}],"holder":${JSON.stringify(holder)}}`;
  }

  /** A page of the turns of a conversation, oldest first. */
  async page({ conversation_id, after, limit }: TurnsQuery): ReturnType<ExecutionIndexRpc["turns"]> {
    await this.ends(conversation_id, undefined);
    return this.parts.rows.turns.page(conversation_id, after ?? FIRST, limit, Date.now());
  }
}
