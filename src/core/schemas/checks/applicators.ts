// The keywords that apply further schemas to the same value: references, alternatives, conditions; and those that ask
// which members all of these have evaluated.
import type { JsonObject } from "../../../contract/json.ts";
import type { InputError } from "../../../contract/problem.ts";
import { cutText } from "../../../contract/text.ts";
import { FAULT_STEPS, type Place, pointerOf, type Run } from "../run.ts";
import { apply, applyInPlace, type Check, type CompileScope, isObject, type Node } from "./check.ts";

/** UTF-16 units of a sentence about alternatives. */
const SENTENCE_CHARS = 300;

/** The checks of the keywords that a schema has; those of `unevaluated…` come after all others. */
export function applicatorChecks(
  schema: JsonObject,
  scope: CompileScope,
): { inPlace: Check[]; unevaluated: Check[] } {
  const inPlace: Check[] = [];
  const nodes = (keyword: string) =>
    ((schema[keyword] ?? []) as unknown[]).map((_, at) => scope.node(keyword, at));
  for (const reference of [schema.$ref, schema.$dynamicRef]) {
    if (reference !== undefined) inPlace.push(always(scope.target(reference as string)));
  }
  inPlace.push(...nodes("allOf").map(always));
  if (schema.anyOf !== undefined) inPlace.push(anyCheck(nodes("anyOf")));
  if (schema.oneOf !== undefined) inPlace.push(oneCheck(nodes("oneOf")));
  if (schema.not !== undefined) inPlace.push(notCheck(scope.node("not")));
  if (schema.if !== undefined) inPlace.push(ifCheck(schema, scope));
  for (const key of Object.keys(schema.dependentSchemas ?? {})) {
    const node = scope.node("dependentSchemas", key);
    inPlace.push(
      (value, place, run, seen) =>
        !isObject(value) || !Object.hasOwn(value, key) || applyInPlace(node, value, place, run, seen),
    );
  }
  const unevaluated: Check[] = [];
  if (schema.unevaluatedProperties !== undefined) {
    unevaluated.push(unevaluatedProperties(scope.node("unevaluatedProperties")));
  }
  if (schema.unevaluatedItems !== undefined)
    unevaluated.push(unevaluatedItems(scope.node("unevaluatedItems")));
  return { inPlace, unevaluated };
}

function always(node: Node): Check {
  return (value, place, run, seen) => applyInPlace(node, value, place, run, seen);
}

function anyCheck(alternatives: readonly Node[]): Check {
  return (value, place, run, seen) => {
    const failed: (readonly InputError[])[] = [];
    for (const node of alternatives) {
      const { ok, faults } = run.attempt(() => applyInPlace(node, value, place, run, seen));
      if (!ok) failed.push(faults);
      // All of them where somebody asks what they have evaluated.
      else if (seen === null) return true;
    }
    if (failed.length < alternatives.length) return true;
    if (!run.isSilent) run.note(nearest(failed, place, run));
    return false;
  };
}

function oneCheck(alternatives: readonly Node[]): Check {
  return (value, place, run, seen) => {
    const failed: (readonly InputError[])[] = [];
    const satisfied: number[] = [];
    for (const [at, node] of alternatives.entries()) {
      const { ok, faults } = run.attempt(() => applyInPlace(node, value, place, run, seen));
      if (ok) satisfied.push(at);
      else failed.push(faults);
    }
    if (satisfied.length === 1) return true;
    if (satisfied.length === 0) {
      if (!run.isSilent) run.note(nearest(failed, place, run));
      return false;
    }
    const which = satisfied.slice(0, 2).join(" and ");
    return run.fault(place, () => `must satisfy one alternative of oneOf alone, and satisfies ${which}`);
  };
}

/**
 * The faults of the alternative that was meant, as far as the data show it: the value is of its type, and what names the
 * alternative (a property of one value) is right. Where several come equally near, one sentence of all of them.
 */
function nearest(failed: readonly (readonly InputError[])[], place: Place, run: Run): readonly InputError[] {
  run.spend(failed.reduce((steps, faults) => steps + faults.length, FAULT_STEPS * failed.length));
  const pointer = pointerOf(place);
  const distances = failed.map((faults) => distance(faults, pointer));
  const least = Math.min(...distances);
  const near = failed.filter((_, at) => distances[at] === least);
  const [only] = near;
  if (near.length === 1 && only !== undefined) return only;
  const sentences = new Set(failed.map((faults) => sentence(faults, pointer)));
  if (sentences.size === 1 && only?.length === 1) return only;
  return [{ pointer, detail: cutText([...sentences].join(", or "), SENTENCE_CHARS) }];
}

/** A fault of the value itself counts most; then wrong values count, and missing ones do not. */
function distance(faults: readonly InputError[], pointer: string): number {
  if (faults.some((fault) => fault.pointer === pointer)) return 1_000;
  return faults.filter(({ detail }) => detail.startsWith("must be ")).length;
}

function sentence(faults: readonly InputError[], pointer: string): string {
  const [first] = faults;
  if (first === undefined) return "is not allowed";
  return first.pointer === pointer ? first.detail : `${first.pointer.slice(pointer.length)} ${first.detail}`;
}

function notCheck(node: Node): Check {
  return (value, place, run) =>
    !run.quietly(() => apply(node, value, place, run, null)) ||
    run.fault(place, () => "satisfies what not forbids");
}

function ifCheck(schema: JsonObject, scope: CompileScope): Check {
  const condition = scope.node("if");
  const yes = schema.then === undefined ? null : scope.node("then");
  const no = schema.else === undefined ? null : scope.node("else");
  return (value, place, run, seen) => {
    const holds = run.quietly(() => applyInPlace(condition, value, place, run, seen));
    const next = holds ? yes : no;
    return next === null || applyInPlace(next, value, place, run, seen);
  };
}

function unevaluatedProperties(node: Node): Check {
  return (value, place, run, seen) => {
    if (!isObject(value)) return true;
    let ok = true;
    for (const [key, member] of Object.entries(value)) {
      run.spend(1);
      if (seen?.keys.has(key) === true) continue;
      ok = apply(node, member, { up: place, key }, run, null) && ok;
      seen?.keys.add(key);
    }
    return ok;
  };
}

function unevaluatedItems(node: Node): Check {
  return (value, place, run, seen) => {
    if (!Array.isArray(value)) return true;
    let ok = true;
    for (const [at, item] of value.entries()) {
      run.spend(1);
      if (seen?.items.has(at) === true) continue;
      ok = apply(node, item, { up: place, key: at }, run, null) && ok;
      seen?.items.add(at);
    }
    return ok;
  };
}
