// One run at the result cache. It asks once, before its first call, and reports once, when it has ended: stages in
// between are answered by what was kept when it asked. Where another run is at the same question, or comes to it, each
// stage asks, and each result is reported at once, so that of equal calls one is made.
//
// What is made and not reported yet dies with the object: it is called for again.
import type { CacheKey } from "../../core/caching/cache-key.ts";
import { type CachedResult, isFresh } from "../../core/caching/cached-result.ts";
import { asksCache, type RunQuestion, runQuestion } from "../../core/caching/run-question.ts";
import type { FlightCaller } from "../../core/caching/single-flight.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";
import type { UnitName } from "../../core/execution/units/unit-name.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import { textWeight } from "../../core/json/json-weight.ts";
import type { CacheFinding, KeptResults, MadeResult, Ports, ResultCache, StageCache } from "../ports.ts";
import { cacheableCall, type StagePorts } from "./run-stage.ts";

/** How long a result waits for its run's next question, in ms, where each stage asks: it comes at once or never. */
const COMPANY_MS = 2;

const NOTHING: KeptResults = { bytes: 0, find: () => Promise.resolve(null) };

/** A call that may make a result of which no other run knows. */
export interface QuietCall {
  key: CacheKey;
  caller: FlightCaller;
  /** When its try ends, ms since the epoch. */
  ends_at: number;
}

export class RunCache implements StageCache {
  /** The ports of the run's calls. */
  readonly ports: StagePorts;
  private readonly cache: ResultCache | null;
  private readonly state: () => ExecutionState | null;
  private readonly hold: (bytes: number) => boolean;
  private run: RunQuestion | null = null;
  private kept: Promise<KeptResults> | null = null;
  /** The same, asked again: it did not answer all stages. */
  private keptSince: Promise<KeptResults> | null = null;
  private asksEach = false;
  /** Whether the cache remembers that the run is at its question. */
  private isNoted = false;
  private isOver = false;
  private readonly quiet = new Map<number, QuietCall>();
  private made: MadeResult[] = [];
  private stopWaiting: (() => void) | null = null;
  /** Of what is kept in memory, and of the texts of what is not reported yet; results are the state's. */
  private keptBytes = 0;
  private textBytes = 0;

  /**
   * @param state the run, once it has begun
   * @param hold results hold so many bytes from now on; false, and nothing changed, where there is no room
   */
  constructor(
    ports: Pick<Ports, "agents" | "clock" | "shared" | "callbackToken" | "children">,
    state: () => ExecutionState | null,
    hold: (bytes: number) => boolean,
  ) {
    const { shared, ...own } = ports;
    this.cache = shared?.cache ?? null;
    this.state = state;
    this.hold = hold;
    this.ports = shared === undefined ? own : { ...own, shared: { ...shared, cache: this } };
  }

  /** The run is about to begin. Asked before its first record is written, so that both take their time at once. */
  begins(spec: RunSpec): void {
    if (this.cache === null) return;
    const until = this.ports.clock.now() + spec.config.pipeline_timeout_seconds * 1_000;
    this.run = runQuestion(spec, until);
    if (asksCache(spec)) this.kept = this.ask(this.cache, false);
  }

  async take(
    key: CacheKey,
    caller: FlightCaller,
    ttl_seconds: number,
    lease_ms: number,
  ): Promise<CacheFinding> {
    if (this.cache === null) return "miss";
    this.kept ??= this.ask(this.cache, false);
    let found = await this.find(this.kept, key, ttl_seconds);
    if (found === null && !this.asksEach && !this.isNoted) {
      this.keptSince ??= this.ask(this.cache, true);
      found = await this.find(this.keptSince, key, ttl_seconds);
    }
    if (found !== null && found !== "apart") return found;
    if (found === "apart") this.asksEach = true;
    if (!this.asksEach) {
      const ends_at = this.ports.clock.now() + lease_ms;
      this.quiet.set(caller.call, { key, caller, ends_at });
      return "miss";
    }
    this.isNoted = true;
    return this.cache.take(this.question, key, caller, ttl_seconds, lease_ms, this.unreported());
  }

  /** Whether a result was kept for the run's start that answers the unit's call; no other request is made for it. */
  async answers(state: ExecutionState, unit: UnitName): Promise<boolean> {
    const call = this.kept === null ? null : cacheableCall(state, unit, this.ports.clock.now());
    if (this.kept === null || call === null) return false;
    const found = await this.find(this.kept, call.key, call.ttl_seconds);
    return found !== null && found !== "apart";
  }

  async follow(
    key: CacheKey,
    caller: FlightCaller,
    ttl_seconds: number,
    ms: number,
  ): Promise<CachedResult | "miss"> {
    return (await this.cache?.follow(this.question, key, caller, ttl_seconds, ms)) ?? "miss";
  }

  async put(key: CacheKey, caller: FlightCaller, result: CachedResult, ttl_seconds: number): Promise<void> {
    this.quiet.delete(caller.call);
    this.textBytes += result.text === undefined ? 0 : textWeight(result.text);
    this.add({ key, caller, result, ttl_seconds, at: this.ports.clock.now() });
    // Reported early rather than not kept.
    if (this.made.length > 0 && !this.holds()) void this.report();
  }

  async release(key: CacheKey, caller: FlightCaller): Promise<void> {
    // A call of which no other run knows.
    if (this.quiet.delete(caller.call) || !this.asksEach) return;
    this.add({ key, caller, result: null, ttl_seconds: 0, at: this.ports.clock.now() });
  }

  async last(key: CacheKey): Promise<CachedResult | null> {
    return (await this.cache?.last(this.question, key)) ?? null;
  }

  /** Nothing is in flight: the object may leave memory. @param isOver the run has ended */
  rests(isOver: boolean): void {
    this.isOver = isOver;
    if (this.made.length > 0 || (isOver && this.isNoted)) void this.report();
  }

  /**
   * Another run is at the same question: from now on each stage asks. The calls in flight, once all that was made is
   * reported; null where the run has ended.
   */
  async share(): Promise<readonly QuietCall[] | null> {
    const calls = [...this.quiet.values()];
    this.quiet.clear();
    this.asksEach = true;
    this.isNoted = !this.isOver;
    if (this.made.length > 0) await this.report();
    return this.isOver ? null : calls;
  }

  private get question(): RunQuestion {
    if (this.run === null) {
      const { spec, deadline_at } = this.state() as ExecutionState;
      this.run = runQuestion(spec, deadline_at);
    }
    return this.run;
  }

  /** What is kept under a key, where it is fresh. */
  private async find(
    kept: Promise<KeptResults>,
    key: CacheKey,
    ttl_seconds: number,
  ): Promise<CachedResult | "apart" | null> {
    const found = await (await kept).find(key);
    if (found === null || found === "apart") return found;
    return isFresh(found, ttl_seconds, this.ports.clock.now()) ? found.result : null;
  }

  private async ask(cache: ResultCache, isMissing: boolean): Promise<KeptResults> {
    const { kept, asksEach, isNoted } = await cache.ask(this.question, isMissing);
    // Another run may have come meanwhile.
    this.asksEach ||= asksEach;
    this.isNoted ||= isNoted;
    if (this.isOver) this.rests(true);
    const before = this.keptBytes;
    this.keptBytes = before + kept.bytes;
    if (this.holds()) return kept;
    this.keptBytes = before;
    this.asksEach = true;
    return NOTHING;
  }

  /** Whether there is room for what is held for the cache. */
  private holds(): boolean {
    return this.hold(this.keptBytes + this.textBytes);
  }

  private add(made: MadeResult): void {
    this.made.push(made);
    if (this.isOver) void this.report();
    else if (this.asksEach) this.stopWaiting ??= this.ports.clock.after(COMPANY_MS, () => void this.report());
  }

  private async report(): Promise<void> {
    const { isOver } = this;
    if (isOver) this.isNoted = false;
    await this.cache?.report(this.question, this.unreported(), isOver);
  }

  /** What is not reported yet: the caller reports it. */
  private unreported(): readonly MadeResult[] {
    this.stopWaiting?.();
    this.stopWaiting = null;
    const { made } = this;
    this.made = [];
    if (this.textBytes > 0) {
      this.textBytes = 0;
      this.holds();
    }
    return made;
  }
}
