// The keywords that are about the members of an object or a list: which there must be, which there may be, and what
// each must satisfy.
import type { JsonObject } from "../../../contract/json.ts";
import { canonicalJson } from "../../json/json.ts";
import type { Pattern } from "../pattern.ts";
import { clipped, counted, shown } from "../words.ts";
import { apply, type Check, type CompileScope, isObject, type Node } from "./check.ts";

/** The checks of the keywords that a schema has. */
export function memberChecks(schema: JsonObject, scope: CompileScope): Check[] {
  const checks: Check[] = [];
  const { required, dependentRequired, contains, uniqueItems } = schema;
  if (required !== undefined) checks.push(requiredCheck(required as string[]));
  if (dependentRequired !== undefined)
    checks.push(dependentCheck(dependentRequired as Record<string, string[]>));
  if (schema.propertyNames !== undefined) checks.push(namesCheck(scope.node("propertyNames")));
  if (["properties", "patternProperties", "additionalProperties"].some((key) => schema[key] !== undefined)) {
    checks.push(propertiesCheck(schema, scope));
  }
  if (schema.prefixItems !== undefined || schema.items !== undefined) checks.push(itemsCheck(schema, scope));
  if (contains !== undefined) checks.push(containsCheck(schema, scope.node("contains")));
  if (uniqueItems === true) checks.push(uniqueCheck);
  return checks;
}

function requiredCheck(names: readonly string[]): Check {
  return (value, place, run) => {
    if (!isObject(value)) return true;
    run.spend(names.length);
    const missing = names.filter((name) => !Object.hasOwn(value, name));
    for (const key of missing) run.fault({ up: place, key }, () => "is required");
    return missing.length === 0;
  };
}

function dependentCheck(dependents: Readonly<Record<string, readonly string[]>>): Check {
  const rules = Object.entries(dependents);
  return (value, place, run) => {
    if (!isObject(value)) return true;
    let ok = true;
    for (const [name, names] of rules) {
      run.spend(1 + names.length);
      if (!Object.hasOwn(value, name)) continue;
      for (const key of names) {
        if (Object.hasOwn(value, key)) continue;
        ok = run.fault({ up: place, key }, () => `is required beside ${clipped(name)}`);
      }
    }
    return ok;
  };
}

function namesCheck(names: Node): Check {
  return (value, place, run) => {
    if (!isObject(value)) return true;
    let ok = true;
    for (const key of Object.keys(value)) {
      const { ok: isAllowed, faults } = run.attempt(() => apply(names, key, null, run, null));
      if (isAllowed) continue;
      ok = run.fault({ up: place, key }, () => `has a name that ${faults[0]?.detail ?? "is not allowed"}`);
    }
    return ok;
  };
}

function propertiesCheck(schema: JsonObject, scope: CompileScope): Check {
  const named = new Map(
    Object.keys((schema.properties ?? {}) as JsonObject).map((key) => [key, scope.node("properties", key)]),
  );
  const matched = Object.keys((schema.patternProperties ?? {}) as JsonObject).map(
    (source): [Pattern, Node] => [scope.pattern(source), scope.node("patternProperties", source)],
  );
  const others = schema.additionalProperties === undefined ? null : scope.node("additionalProperties");
  return (value, place, run, seen) => {
    if (!isObject(value)) return true;
    let ok = true;
    for (const [key, member] of Object.entries(value)) {
      run.spend(1);
      const nodes = matched.filter(([pattern]) => run.matches(pattern, key)).map(([, node]) => node);
      const own = named.get(key);
      if (own !== undefined) nodes.push(own);
      if (nodes.length === 0 && others !== null) nodes.push(others);
      for (const node of nodes) {
        ok = apply(node, member, { up: place, key }, run, null) && ok;
        seen?.keys.add(key);
      }
      if (!ok && run.isSilent) return false;
    }
    return ok;
  };
}

function itemsCheck(schema: JsonObject, scope: CompileScope): Check {
  const first = ((schema.prefixItems ?? []) as unknown[]).map((_, at) => scope.node("prefixItems", at));
  const rest = schema.items === undefined ? null : scope.node("items");
  return (value, place, run, seen) => {
    if (!Array.isArray(value)) return true;
    let ok = true;
    for (const [at, item] of value.entries()) {
      const node = first[at] ?? rest;
      if (node === null) break;
      ok = apply(node, item, { up: place, key: at }, run, null) && ok;
      seen?.items.add(at);
      if (!ok && run.isSilent) return false;
    }
    return ok;
  };
}

function containsCheck(schema: JsonObject, node: Node): Check {
  const least = (schema.minContains ?? 1) as number;
  const most = (schema.maxContains ?? null) as number | null;
  return (value, place, run, seen) => {
    if (!Array.isArray(value)) return true;
    const found: number[] = [];
    for (const [at, item] of value.entries()) {
      if (!run.quietly(() => apply(node, item, null, run, null))) continue;
      found.push(at);
      seen?.items.add(at);
    }
    if (found.length >= least && (most === null || found.length <= most)) return true;
    const bound =
      found.length < least ? `at least ${counted(least, "item")}` : `at most ${counted(most ?? 0, "item")}`;
    return run.fault(
      place,
      () => `must contain ${bound} of the kind that contains describes, not ${found.length}`,
    );
  };
}

/** Compared as canonical JSON, so that the time grows with the list and not with its square. */
const uniqueCheck: Check = (value, place, run) => {
  if (!Array.isArray(value)) return true;
  const places = new Map<string, number>();
  for (const [at, item] of value.entries()) {
    run.spend(1);
    run.weigh(item);
    const text = canonicalJson(item);
    const before = places.get(text);
    if (before !== undefined) {
      return run.fault(
        { up: place, key: at },
        () => `must differ from item ${before}, which is ${shown(item)} too`,
      );
    }
    places.set(text, at);
  }
  return true;
};
