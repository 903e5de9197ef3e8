// The budget of a run: what it may spend, checked before each call, at each report of a call in flight, and at each end of
// one. Past it the run pauses, and goes on once the budget was raised; or it fails. No more is spent past it than what
// the calls in flight spend (I20).
import type { Budget, RaisedBudget, Spent } from "../../../contract/budget.ts";
import type { PauseMode } from "../../../contract/requests.ts";
import type { Usage } from "../../../contract/stage.ts";
import { addUsage, isAmount } from "../../../contract/usage.ts";
import type { Overspent, Refusal } from "../command.ts";
import type { Batch } from "../rules/batch.ts";
import { failExecution } from "../rules/endings.ts";
import { specOf } from "../schedule.ts";
import { type ExecutionState, isTerminal } from "../state.ts";
import { type UnitName, unitPlace } from "../units/unit-name.ts";
import { unitsOf } from "../units/units.ts";
import { amountOf, pricedUsage } from "./prices.ts";

/** A usage as a budget counts it. */
function spentOf(usage: Usage): Spent {
  const cost = usage["cost_usd"];
  return {
    cost_usd: isAmount(cost) ? Math.max(0, Number(cost)) : null,
    tokens: amountOf(usage, "input_tokens") + amountOf(usage, "output_tokens"),
  };
}

/** What the run has used, with what its calls in flight have reported and its executions at rest have used. */
function usedSoFar(batch: Batch): { all: Usage; by_unit: [UnitName, Usage][] } {
  const { state } = batch;
  const by_unit = reportedUsage(batch);
  const isReported = new Set(by_unit.map(([unit]) => unit));
  for (const [unit, { phase, seen }] of unitsOf(state)) {
    // What it has reported since it came to rest is more.
    if (phase === "ended" || seen?.usage === undefined || isReported.has(unit)) continue;
    by_unit.push([unit, seen.usage]);
  }
  return { all: by_unit.reduce((sum, [, usage]) => addUsage(sum, usage), state.usage), by_unit };
}

/** Pauses or fails a run that has spent more than it may. True where it does not go on. */
export function checkBudget(batch: Batch): boolean {
  const { status, spec } = batch.state;
  const { budget } = spec;
  if (budget === undefined || isTerminal(status) || status === "paused") return false;
  const spent = spentOf(usedSoFar(batch).all);
  if (!isOver(spent, budget)) return false;
  if (budget.on_exceeded === "pause") pauseByBudget(batch, spent, limitOf(budget));
  else {
    failExecution(batch, {
      code: "BUDGET_EXCEEDED",
      message: `the run has spent ${described(spent, budget)}`,
      failed_stage: null,
      retry_attempts: 0,
    });
  }
  return true;
}

/**
 * A budget of the config is spent.
 * @param unsent the unit whose call was not made; absent where it is one of an execution that a stage runs
 */
export function takeOverspent(batch: Batch, overspent: Overspent, unsent?: UnitName): void {
  const { scope, spent_usd, limit_usd } = overspent;
  // It counts dollars alone.
  const spent = { cost_usd: spent_usd, tokens: 0 };
  const of = unsent === undefined ? { scope } : { scope, unsent };
  pauseByBudget(batch, spent, { cost_usd: limit_usd }, of);
}

type Limit = Pick<Budget, "cost_usd" | "tokens">;

function pauseByBudget(
  batch: Batch,
  spent: Spent,
  limit: Limit,
  of: { scope?: string; unsent?: UnitName } = {},
): void {
  const { scope, unsent } = of;
  const whose = scope === undefined ? "its budget" : `the budget of ${scope}`;
  batch.emit({
    type: "execution.paused",
    status: "paused",
    message: `paused: ${whose} is spent, ${described(spent, limit)}`,
    data: {
      mode: "drain",
      reason: "budget",
      spent,
      limit,
      by_stage: spentByStage(batch),
      ...(scope === undefined ? {} : { scope }),
    },
    ...(unsent === undefined ? {} : { internal: { unsent } }),
  });
}

/** What the calls have used that a pause in mode abort interrupts, for the log. */
export function interruptedUsage(
  batch: Batch,
  mode: PauseMode,
): { internal?: { used: Record<UnitName, Usage> } } {
  // An inner execution keeps its own, and reports it again.
  const isCall = ([unit]: [UnitName, Usage]) => specOf(batch.state, unit).pipeline === undefined;
  const used = mode === "abort" ? reportedUsage(batch).filter(isCall) : [];
  return used.length === 0 ? {} : { internal: { used: Object.fromEntries(used) } };
}

/** What calls in flight have reported, with their cost. */
function reportedUsage({ state, gates }: Batch): [UnitName, Usage][] {
  const { prices } = state.spec.config;
  return [...gates.reported()].map(([unit, usage]) => [unit, pricedUsage(usage, prices)]);
}

/** What each stage has spent so far; without those that have spent nothing. */
function spentByStage(batch: Batch): Record<string, Spent> {
  const { state } = batch;
  const sums = new Map<string, Usage>();
  const add = (stage: string, usage: Usage | null) => {
    if (usage !== null) sums.set(stage, addUsage(sums.get(stage) ?? {}, usage));
  };
  for (const { items, phase, result, used } of state.stages) {
    if (phase === "ended" || items === null) add(result.stage, phase === "ended" ? result.usage : used);
    else
      for (const unit of items.units)
        add(result.stage, unit.phase === "ended" ? unit.result.usage : unit.used);
  }
  for (const [unit, usage] of usedSoFar(batch).by_unit) add(unitPlace(unit).stage, usage);
  const spent = [...sums].map(([stage, usage]) => [stage, spentOf(usage)] as const);
  return Object.fromEntries(spent.filter(([, { cost_usd, tokens }]) => (cost_usd ?? 0) > 0 || tokens > 0));
}

/** The budget that a run has once it was raised; refused where the run has spent more than that, too. */
export function raisedBudget(
  batch: Batch,
  raise: RaisedBudget | undefined,
): { budget: Budget | undefined; refusal: Refusal | null } {
  const before = batch.state.spec.budget;
  const budget =
    raise === undefined
      ? before
      : { ...before, ...raise, on_exceeded: raise.on_exceeded ?? before?.on_exceeded ?? "pause" };
  if (budget === undefined) return { budget, refusal: null };
  const spent = spentOf(usedSoFar(batch).all);
  if (!isOver(spent, budget)) return { budget, refusal: null };
  const how =
    raise === undefined ? "resume it with a larger budget" : "the new budget must be larger than that";
  return {
    budget,
    refusal: { reason: "over_budget", why: `it has spent ${described(spent, budget)}: ${how}` },
  };
}

function isOver({ cost_usd, tokens }: Spent, limit: Limit): boolean {
  return (
    (limit.cost_usd !== undefined && (cost_usd ?? 0) > limit.cost_usd) ||
    (limit.tokens !== undefined && tokens > limit.tokens)
  );
}

function limitOf({ cost_usd, tokens }: Budget): Limit {
  return { ...(cost_usd === undefined ? {} : { cost_usd }), ...(tokens === undefined ? {} : { tokens }) };
}

function described({ cost_usd, tokens }: Spent, limit: Limit): string {
  const parts = [
    ...(limit.cost_usd === undefined ? [] : [`${dollars(cost_usd ?? 0)} of ${limit.cost_usd} USD`]),
    ...(limit.tokens === undefined ? [] : [`${tokens} of ${limit.tokens} tokens`]),
  ];
  return parts.join(", ");
}

function dollars(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/**
 * What an execution that a stage runs may spend: what is left to its run, and so little more that it has not spent its
 * own before its run has, which alone can be resumed. Undefined where that has no budget.
 */
export function budgetLeft({ spec, usage }: ExecutionState): Budget | undefined {
  const { budget } = spec;
  if (budget === undefined) return undefined;
  const { cost_usd, tokens } = spentOf(usage);
  return {
    on_exceeded: budget.on_exceeded,
    ...(budget.cost_usd === undefined
      ? {}
      : { cost_usd: Math.max(budget.cost_usd - (cost_usd ?? 0), 0) + budget.cost_usd * ROUNDING }),
    ...(budget.tokens === undefined ? {} : { tokens: Math.max(budget.tokens - tokens, 1) }),
  };
}

/** More than the rounding error of sums of doubles. */
const ROUNDING = 1e-9;
