// The client of a tenant's execution index and metrics: shards, each of which keeps the executions of the conversations
// that hash to it (core/monitoring/shards.ts). A list queries all of them, or those that its conversation has had, and
// merges by (start, id), newest first; metrics merge by addition.
import type {
  Entered,
  ExecutionIndex,
  IndexMetrics,
  IndexQuery,
  Listed,
  MetricsQuery,
  Place,
  WaitPlace,
  WaitsQuery,
} from "../../engine/worker-ports.ts";
import type { ListedTurn, TurnPlace, TurnsQuery } from "../../engine/conversation-turns.ts";
import type { ConversationTurn } from "../../contract/execution.ts";
import type { ExecutionSummary } from "../../contract/execution-list.ts";
import type { ReplacedTurn } from "../../core/execution/run-spec.ts";
import { type EndedTurn, mergeTurns } from "../../core/monitoring/ended-turns.ts";
import type { Place as ConversationPlace } from "../../core/conversations/admission.ts";
import type { IndexEntry } from "../../core/monitoring/index-entry.ts";
import {
  allShards,
  conversationShard,
  conversationShards,
  EARLIER_SHARDS,
  executionShard,
  type ShardGeneration,
  shardsEver,
} from "../../core/monitoring/shards.ts";
import { parseJson } from "../../core/json/exact-integer.ts";
import type { OpenWait } from "../../contract/wait.ts";
import { inboxEntry, type OpenQuestion } from "../../core/execution/view/waits.ts";
import { mergeOpenWaits } from "../../core/monitoring/metrics/waits.ts";
import { mergeParts } from "../../core/monitoring/metrics/merge-parts.ts";
import { sumOf } from "../../core/monitoring/metrics/costs/spending.ts";
import { reportText } from "../../core/monitoring/metrics/stored-report.ts";
import type { RunReport } from "../../core/monitoring/metrics/report.ts";
import type { Clock } from "../../engine/ports.ts";
import { Guards, LOST } from "../platform/guard.ts";
import { within } from "../platform/time-limit.ts";
import { objectIds } from "./object-ids.ts";

/** A shard's part of a list. */
export interface ListedPart {
  /** Newest first. */
  listed: Listed[];
  /** Older starts, in ms since the epoch, were not looked at, though the part is not full; null where all were. */
  floor: number | null;
  /** An earlier version may have kept executions of the conversation in other shards. */
  elsewhere: boolean;
}

/** A shard's part of the inbox, in its order. */
export interface WaitsPart {
  /** Each with an OpenWait as JSON. */
  waits: (WaitPlace & { entry: string })[];
  /** There may be more after the last one. */
  isCut: boolean;
}

/** What a former shard of a conversation has of it. */
export interface FormerTurns {
  /** The last ones, oldest first. */
  turns: EndedTurn[];
  /** One of its last executions has the id. */
  hasExecution: boolean;
  /** The execution that has the turn that is to be replaced; null where none does. */
  holder: string | null;
}

/** What a former shard of a conversation knows of its runs. */
export interface FormerPlaces {
  places: ConversationPlace[];
  /** The execution that asks has ended there. */
  hasEnded: boolean;
}

/** The metrics of a run. */
export type Counted = Omit<RunReport, "shape">;

/** A LedgerEntry on the wire: fields that no intermediary reads are JSON text, which is cheaper to read and write. */
export interface IndexReport
  extends Pick<IndexEntry, "start" | "end" | "seq" | "expires">,
    Pick<ExecutionSummary, "execution_id" | "status" | "pipeline" | "conversation_id"> {
  /** An ExecutionSummary. */
  summary: string;
  /** A Counted, as core/monitoring/metrics/stored-report.ts writes it; null where nothing is counted. */
  counted: string | null;
  /** A RunShape; null if the run is not an example. */
  shape: string | null;
  /** A ConversationTurn; null where the conversation remembers nothing of it. */
  turn: string | null;
  /** Until when, ms since the epoch. */
  turn_expires: number | null;
  /** The turn whose place that one takes; absent in reports of earlier versions. */
  replaces?: ReplacedTurn | null;
  /** Its object is to be deleted when it expires. */
  has_object: boolean;
  /** Its open questions, each with an OpenWait as JSON; absent where no stage of it may ask. */
  waits?: (Pick<OpenQuestion, "seq" | "since" | "expires_at"> & { entry: string })[];
  /** The conversation of its questions, where it is none of its executions. */
  asks_in?: string;
}

export interface ExecutionIndexRpc {
  /**
   * Notes a start in memory, and gives the last turns of its conversation, oldest first: a ConversationTurn[] as JSON; an
   * Entered as JSON where the run does not run beside others.
   * @param message a Beginning as JSON: both travel for less
   */
  begin(message: string): Promise<string>;
  /** @param message a StandingQuestion as JSON @returns an Entered as JSON */
  standing(message: string): Promise<string>;
  /**
   * The run that was noted with this start has not started.
   * @param conversation_id where it may have a place in it
   */
  withdraw(execution_id: string, start: number, conversation_id?: string): Promise<void>;
  /** Stores an entry; one that is older than the stored one, or expired, changes nothing. */
  report(entry: IndexReport): Promise<void>;
  /** @param query.limit how many at most */
  list(query: IndexQuery): Promise<ListedPart>;
  waits(query: WaitsQuery): Promise<WaitsPart>;
  /** Executions that ended at or before `until` (ms since the epoch), oldest first. */
  ended(until: number, limit: number): Promise<Place[]>;
  forget(place: Place): Promise<void>;
  metrics(query: MetricsQuery): Promise<IndexMetrics>;
  /** Nothing was ever stored here, nor begun since the object was opened. */
  isUnused(): Promise<boolean>;
  /** @param execution_id what is looked for besides; null where nothing is */
  formerTurns(
    conversation_id: string,
    turns: number,
    execution_id: string | null,
    before?: ReplacedTurn,
  ): Promise<FormerTurns>;
  /**
   * The history of an answer that takes the place of a turn.
   * @param message a TurnsBefore as JSON
   * @returns `{history: ConversationTurn[], holder: string | null}` as JSON
   */
  turnsBefore(message: string): Promise<string>;
  /** Turns of a conversation, oldest first. */
  turns(query: TurnsQuery): Promise<(EndedTurn & { replaced: string[] })[]>;
  /**
   * What runs or waits of a conversation that has another shard since a split: no other takes a place here then.
   * @param execution_id that asks there @param until then requests of before the split may come, ms since the epoch
   */
  formerPlaces(conversation_id: string, execution_id: string, until: number): Promise<FormerPlaces>;
  /**
   * The bits of a ConversationFilter of everything that was here at a time after `since`, ms since the epoch; null
   * where that is to come.
   */
  conversations(since: number): Promise<Uint8Array | null>;
  /** Until when something that an earlier version wrote is kept here, ms since the epoch; 0 where there is nothing. */
  earlierUntil(): Promise<number>;
}

/**
 * Time limit of the history, in ms, after which a run starts without one; an evicted object starts in less. Then no run
 * waits for that shard until it has answered.
 */
const BEGIN_MS = 2_000;

/** @param generationsOf the index of a tenant, as its catalog has it */
export function executionIndexOver(
  namespace: DurableObjectNamespace,
  clock: Clock,
  generationsOf: (tenant: string) => Promise<readonly ShardGeneration[]>,
): ExecutionIndex {
  const guards = new Guards(() => ({ clock, limit_ms: BEGIN_MS }));
  const idOf = objectIds(namespace);
  const shard = (tenant: string, number: number) =>
    namespace.get(idOf(`${tenant}/${number}`)) as unknown as ExecutionIndexRpc;
  const askEach = <T>(
    tenant: string,
    shards: readonly number[],
    question: (rpc: ExecutionIndexRpc) => Promise<T>,
  ) => Promise.all(shards.map((number) => question(shard(tenant, number))));
  const askAll = async <T>(tenant: string, question: (rpc: ExecutionIndexRpc) => Promise<T>) =>
    askEach(tenant, allShards(shardsEver(await generationsOf(tenant))), question);
  return {
    async begin(tenant, beginning) {
      const number = conversationShard(beginning.conversation_id, beginning.shards);
      const guard = guards.of(`${tenant}/${number}`);
      const turns = await guard.ask(() => shard(tenant, number).begin(JSON.stringify(beginning)));
      if (turns !== LOST) return parseJson(turns) as ConversationTurn[];
      console.error(JSON.stringify({ level: "ERROR", message: "a conversation could not be read" }));
      return [];
    },
    async turnsBefore(tenant, asked) {
      const number = conversationShard(asked.conversation_id, asked.shards);
      const guard = guards.of(`${tenant}/${number}`);
      const found = await guard.ask(() => shard(tenant, number).turnsBefore(JSON.stringify(asked)));
      return found === LOST
        ? null
        : (parseJson(found) as { history: ConversationTurn[]; holder: string | null });
    },
    async turns(tenant, query) {
      const homes = conversationShards(query.conversation_id, await generationsOf(tenant));
      // One more says whether there is another page.
      const asked = { ...query, limit: query.limit + 1 };
      return turnsPage(await askEach(tenant, homes, (rpc) => rpc.turns(asked)), query.limit);
    },
    async forgetOf(tenant, conversation_id, place) {
      const homes = conversationShards(conversation_id, await generationsOf(tenant));
      await askEach(tenant, homes, (rpc) => rpc.forget(place));
    },
    async enter(tenant, beginning) {
      const { conversation_id, shards, note } = beginning;
      const number = conversationShard(conversation_id, shards);
      // One that waits for others to end must not close the guard of those that run beside others.
      const guard = guards.of(`${tenant}/${number}/enter`);
      let asked: Promise<string> | null = null;
      const enter = () => {
        asked = shard(tenant, number).begin(JSON.stringify(beginning));
        return asked;
      };
      // Whether the shard is back is asked without taking a place.
      const entered = await guard.ask(enter, () => shard(tenant, number).isUnused());
      // A shard of an earlier version answers with the history alone.
      if (entered !== LOST && !entered.startsWith("[")) return parseJson(entered) as Entered;
      // It may have its place by then, in which it will not run.
      void (asked as Promise<string> | null)?.then(
        async () => {
          if (note === null) return;
          await shard(tenant, number).withdraw(note.summary.execution_id, note.start, conversation_id);
        },
        () => {},
      );
      console.error(JSON.stringify({ level: "ERROR", message: "a conversation could not be entered" }));
      return null;
    },
    async standing(question) {
      const answer = await shard(question.tenant, executionShard(question)).standing(
        JSON.stringify(question),
      );
      return parseJson(answer) as Entered;
    },
    async withdraw(tenant, started, start) {
      const { execution_id, conversation_id, on_busy } = started;
      const rpc = shard(tenant, executionShard(started));
      const withdrawn =
        on_busy === undefined
          ? rpc.withdraw(execution_id, start)
          : rpc.withdraw(execution_id, start, conversation_id);
      await within(BEGIN_MS, withdrawn, null);
    },
    report: (tenant, entry) => shard(tenant, executionShard(entry.sharded)).report(reportOf(entry)),
    async list(tenant, query) {
      const { conversation_id, limit } = query;
      const generations = await generationsOf(tenant);
      const homes = conversation_id === undefined ? null : conversationShards(conversation_id, generations);
      const shards = allShards(shardsEver(generations));
      // One more says whether there is another page.
      const asked = { ...query, limit: limit + 1 };
      const parts = await askEach(tenant, homes ?? shards, (rpc) => rpc.list(asked));
      if (homes !== null && parts.some(({ elsewhere }) => elsewhere)) {
        const others = shards.filter((number) => !homes.includes(number));
        parts.push(...(await askEach(tenant, others, (rpc) => rpc.list(asked))));
      }
      return pageOf(parts, limit);
    },
    async waits(tenant, query) {
      const { conversation_id, limit } = query;
      const generations = await generationsOf(tenant);
      const shards =
        conversation_id === undefined
          ? allShards(shardsEver(generations))
          : conversationShards(conversation_id, generations);
      const asked = { ...query, limit: limit + 1 };
      return waitsPageOf(await askEach(tenant, shards, (rpc) => rpc.waits(asked)), limit);
    },
    async ended(tenant, until, limit) {
      const parts = await askAll(tenant, (rpc) => rpc.ended(until, limit));
      const found = parts.flatMap((places, number) => places.map((place) => ({ ...place, shard: number })));
      return found.toSorted(byPlace).slice(0, limit);
    },
    forget: (tenant, { shard: number, ...place }) => shard(tenant, number).forget(place),
    metrics: async (tenant, query) => merged(await askAll(tenant, (rpc) => rpc.metrics(query))),
    async earlierUntil(tenant) {
      return Math.max(...(await askEach(tenant, allShards(EARLIER_SHARDS), (rpc) => rpc.earlierUntil())));
    },
  };
}

/** The page that the parts of a list are together. */
export function pageOf(
  parts: readonly ListedPart[],
  limit: number,
): { listed: Listed[]; next: Place | null } {
  const floors = parts.map(({ floor }) => floor).filter((floor) => floor !== null);
  const floor = floors.length === 0 ? null : Math.max(...floors);
  const found = parts
    .flatMap(({ listed }) => listed)
    .filter(({ start }) => floor === null || start >= floor)
    .toSorted(byPlace)
    .toReversed();
  const listed = found.slice(0, limit);
  const last = listed.at(-1);
  if (found.length > limit && last !== undefined) return { listed, next: { start: last.start, id: last.id } };
  return { listed, next: floor === null ? null : { start: floor, id: FIRST_ID } };
}

/** The page that the parts of a conversation are together. */
function turnsPage(
  parts: readonly (EndedTurn & { replaced: string[] })[][],
  limit: number,
): { turns: ListedTurn[]; next: TurnPlace | null } {
  const all = parts.flat();
  const found = mergeTurns(all);
  const listed = found.slice(0, limit).map(({ id, ended, turn, of, at }): ListedTurn => {
    const others = all.filter((other) => other.of === of).flatMap((other) => [other.id, ...other.replaced]);
    return {
      place: { at, id: of },
      execution_id: id,
      ended,
      turn: parseJson(turn) as ConversationTurn,
      replaced: [...new Set(others)].filter((other) => other !== id),
    };
  });
  return { turns: listed, next: found.length > limit ? (listed.at(-1)?.place ?? null) : null };
}

/** The page of the inbox that the parts are together: as far as every part was read. */
export function waitsPageOf(
  parts: readonly WaitsPart[],
  limit: number,
): { waits: OpenWait[]; next: WaitPlace | null } {
  const ends = parts.flatMap(({ waits, isCut }) => (isCut ? waits.slice(-1) : []));
  const [end] = ends.toSorted(compareWaits);
  const known = parts
    .flatMap(({ waits }) => waits)
    .filter((place) => end === undefined || compareWaits(place, end) <= 0)
    .toSorted(compareWaits);
  const shown = known.slice(0, limit);
  const hasMore = known.length > limit || end !== undefined;
  const last = shown.at(-1);
  return {
    waits: shown.map(({ entry }) => JSON.parse(entry) as OpenWait),
    next: hasMore && last !== undefined ? { expires: last.expires, id: last.id, seq: last.seq } : null,
  };
}

function compareWaits(a: WaitPlace, b: WaitPlace): number {
  return a.expires - b.expires || (a.id < b.id ? -1 : a.id > b.id ? 1 : a.seq - b.seq);
}

/** No id is before it: a cursor with it goes on with what began before its start. */
const FIRST_ID = "-";

function reportOf(entry: IndexEntry): IndexReport {
  const { start, end, seq, expires, summary, report, turn, waits, isDeletedByIndex } = entry;
  const { execution_id, status, pipeline, conversation_id } = summary;
  return {
    start,
    end,
    seq,
    expires,
    execution_id,
    status,
    pipeline,
    // What a stage runs is none of the conversation's runs: neither its latest, nor one that others wait for.
    conversation_id: summary.parent === undefined ? conversation_id : "",
    summary: JSON.stringify(summary),
    counted: report === null ? null : reportText(report),
    shape: report === null || report.shape === null ? null : JSON.stringify(report.shape),
    turn:
      turn === null
        ? null
        : JSON.stringify({ query: turn.query, answer: turn.answer, partial: turn.partial }),
    turn_expires: turn?.expires ?? null,
    replaces: turn?.replaces ?? null,
    has_object: isDeletedByIndex,
    ...(summary.parent === undefined ? {} : { asks_in: conversation_id }),
    ...(waits === null ? {} : { waits: waits.map((question) => reportedWait(entry, question)) }),
  };
}

function reportedWait({ sharded, summary }: IndexEntry, question: OpenQuestion) {
  const { seq, since, expires_at } = question;
  const entry = JSON.stringify(inboxEntry({ spec: { ...sharded, pipeline: summary.pipeline } }, question));
  return { seq, since, expires_at, entry };
}

function merged(answers: readonly IndexMetrics[]): IndexMetrics {
  const by_pipeline = mergeParts(answers.map((answer) => answer.by_pipeline));
  const shapes = answers.flatMap((answer) => answer.shapes).toSorted((a, b) => a.started_at - b.started_at);
  // A shard that still runs an earlier version has none.
  const waits = mergeOpenWaits(
    answers.flatMap((answer: Partial<IndexMetrics>) => (answer.waits === undefined ? [] : [answer.waits])),
  );
  const hour = sumOf(answers.flatMap((answer) => answer.hour ?? []));
  return { by_pipeline, open: answers.reduce((sum, { open }) => sum + open, 0), waits, shapes, hour };
}

function byPlace(a: Place, b: Place): number {
  return a.start - b.start || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
