// A guard around something outside that a run asks on its way: no caller waits for it longer than a time limit, and
// after failures no caller waits at all, until it has answered again. Callers are then answered at once; one question
// in RETRY_MS goes out in the background, and its answer ends that.
import type { Clock } from "../../engine/ports.ts";
import { withTimeLimit } from "../../engine/time-limit.ts";
import { Lru } from "./lru.ts";

/** No answer in time, or none that could be used. */
export const LOST = Symbol("lost");

/** Failures in a row after which it is not asked; a single slow one has the same effect. */
const FAILURES = 3;
/** How often it is asked whether it is back, in ms. */
const RETRY_MS = 5_000;
/** Names whose state is remembered; one that was unused for longest is taken for available again. */
const NAMES = 1_000;

export interface GuardChange {
  isLost: boolean;
  /** What the first lost question failed by. */
  cause: unknown;
}

export interface GuardTerms {
  clock: Clock;
  /** Maximum delay of a caller, in ms. */
  limit_ms: number;
  /** Called at the first failure, and when it has recovered from that. */
  onChange?: (change: GuardChange) => void;
}

export class Guard {
  private readonly terms: GuardTerms;
  private failures = 0;
  private closedUntil = 0;
  private isLogged = false;

  constructor(terms: GuardTerms) {
    this.terms = terms;
  }

  /** Callers do not wait for it. */
  get isClosed(): boolean {
    return this.failures >= FAILURES;
  }

  /**
   * The task's value, or LOST. Never rejects.
   * @param probe asks whether it is back; the task does where there is none
   * @param later keeps the caller's context alive for work that continues after the response
   */
  async ask<T>(
    task: () => Promise<T>,
    probe: () => Promise<unknown> = task,
    later: (work: Promise<void>) => void = () => {},
  ): Promise<T | typeof LOST> {
    const { clock, limit_ms } = this.terms;
    if (this.isClosed) {
      if (clock.now() >= this.closedUntil) later(this.lookAgain(probe));
      return LOST;
    }
    const began = clock.now();
    const answer = await answerWithin(clock, limit_ms, task);
    if ("value" in answer) {
      this.answered();
      return answer.value;
    }
    // One that was waited for in vain closes at once, so that the next caller does not wait.
    const waited = clock.now() - began >= limit_ms / 2;
    this.failures = waited ? FAILURES : this.failures + 1;
    this.closedUntil = clock.now() + RETRY_MS;
    if (!this.isLogged) {
      this.isLogged = true;
      this.terms.onChange?.({ isLost: true, cause: answer.cause });
    }
    return LOST;
  }

  private async lookAgain(probe: () => Promise<unknown>): Promise<void> {
    const { clock, limit_ms } = this.terms;
    this.closedUntil = clock.now() + RETRY_MS;
    const answer = await answerWithin(clock, limit_ms, probe);
    if ("value" in answer) this.answered();
  }

  /** It has answered, also a question that went past the guard: callers wait for it again. */
  answered(): void {
    this.failures = 0;
    if (this.isLogged) this.terms.onChange?.({ isLost: false, cause: null });
    this.isLogged = false;
  }
}

/** A guard for each of several of a kind, such as the shards of a tenant. */
export class Guards {
  private readonly guards = new Lru<string, Guard>({ entries: NAMES });
  private readonly terms: (name: string) => GuardTerms;

  constructor(terms: (name: string) => GuardTerms) {
    this.terms = terms;
  }

  of(name: string): Guard {
    return this.guards.get(name, () => new Guard(this.terms(name)));
  }
}

type Answer<T> = { value: T } | { cause: unknown };

/** The task's value, or why there is none after `ms`. The task begins at once. */
export function answerWithin<T>(
  clock: Pick<Clock, "after">,
  ms: number,
  task: () => Promise<T>,
): Promise<Answer<T>> {
  return withTimeLimit(clock, ms, attempt(task), () => ({ cause: new Error("timeout") }));
}

async function attempt<T>(task: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await task() };
  } catch (cause) {
    return { cause };
  }
}
