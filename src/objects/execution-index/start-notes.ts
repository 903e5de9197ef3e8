// Starts that a shard of the execution index has in memory: a run is noted by the request that reads its history, and is
// listed as running from then on. A row is written only by its first report, which for most runs is their end. What is
// lost with the shard's memory, or was noted in vain, is corrected by that report, or by none within START_NOTED_MS.
import type { IndexQuery, Listed } from "../../engine/worker-ports.ts";
import type { ExecutionSummary } from "../../contract/execution-list.ts";
import { TIMINGS } from "../../core/timings.ts";
import { comparePlaces } from "./list-page.ts";

interface Note extends Listed {
  /** When it was noted, ms since the epoch. */
  at: number;
}

export class StartNotes {
  /** By execution, in the order of noting. */
  private readonly notes = new Map<string, Note>();

  /** A start that is noted already stays as it is: its request was repeated. */
  add(summary: ExecutionSummary, start: number, now: number): void {
    const id = summary.execution_id;
    this.expire(now);
    if (!this.notes.has(id)) this.notes.set(id, { id, start, summary, at: now });
  }

  /** The execution has a row. */
  remove(id: string): void {
    this.notes.delete(id);
  }

  /** The request that noted this start was refused. Another one may have noted the same execution. */
  withdraw(id: string, start: number): void {
    if (this.notes.get(id)?.start === start) this.notes.delete(id);
  }

  list({ status, pipeline, conversation_id, before }: IndexQuery, now: number): Listed[] {
    this.expire(now);
    const found: Listed[] = [];
    for (const { id, start, summary } of this.notes.values()) {
      if (status !== undefined && summary.status !== status) continue;
      if (pipeline !== undefined && summary.pipeline !== pipeline) continue;
      if (conversation_id !== undefined && summary.conversation_id !== conversation_id) continue;
      if (before === null || comparePlaces({ start, id }, before) < 0) found.push({ id, start, summary });
    }
    return found;
  }

  /** An execution that was queued runs. */
  admit(id: string): void {
    const note = this.notes.get(id);
    if (note !== undefined) note.summary = { ...note.summary, status: "running" };
  }

  /** The noted executions of a conversation that run, the latest last. */
  of(conversation_id: string, now: number): string[] {
    this.expire(now);
    const found: string[] = [];
    for (const { id, summary } of this.notes.values()) {
      if (summary.conversation_id === conversation_id && summary.status === "running") found.push(id);
    }
    return found;
  }

  has(id: string, now: number): boolean {
    this.expire(now);
    return this.notes.has(id);
  }

  /** The conversations of those that are noted. */
  get conversations(): string[] {
    return Array.from(this.notes.values(), ({ summary }) => summary.conversation_id);
  }

  /** How many run, of one pipeline or of all. */
  count(now: number, pipeline: string | undefined): number {
    this.expire(now);
    let count = 0;
    for (const { summary } of this.notes.values()) {
      const isCounted = pipeline === undefined || summary.pipeline === pipeline;
      count += isCounted && summary.status === "running" ? 1 : 0;
    }
    return count;
  }

  private expire(now: number): void {
    for (const [id, { at }] of this.notes) {
      if (at + TIMINGS.START_NOTED_MS > now) return;
      this.notes.delete(id);
    }
  }
}
