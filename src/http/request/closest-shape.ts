// Selects the intended shape of a union's value, so that an error is reported at its place: identified
// by the keys that only one shape has (`url` or `binding`), and by a key whose constant differs (`strategy`).
import type * as z from "../../contract/zod.ts";

type Issue = z.core.$ZodIssue;

/** The errors of a union's value: those of the intended shape, and those of the union as a whole. */
export interface ShapeFaults {
  issues: readonly Issue[];
  /** By path below the value: why it does not fit, in words of this module. */
  own: { path: readonly PropertyKey[]; detail: string }[];
}

/** How far an issue is from what was meant: another kind of value, another constant, a key that is missing. */
const OTHER_KIND = 1_000;
const OTHER_CONSTANT = 100;
const MISSING = 10;
const UNKNOWN_KEY = 3;

/** @param shapes the issues of each shape, paths below the value */
export function closestShape(shapes: readonly (readonly Issue[])[], value: unknown): ShapeFaults {
  const fitting = shapes.filter((issues) => !issues.some(isOtherKind));
  const constants = differingConstants(fitting, value);
  if (constants !== null) return { issues: [], own: [constants] };
  const missing = fitting.map(
    (issues) => new Set(issues.filter((issue) => isMissing(issue, value)).map(keyOf)),
  );
  const best = (fitting.length > 0 ? fitting : shapes).reduce((closest, other) =>
    distance(other, value) < distance(closest, value) ? other : closest,
  );
  const unknown = fitting.map(unknownKeys);
  const known = (key: string, issues: readonly Issue[]) => !unknownKeys(issues).includes(key);
  if (missing.length > 1 && missing.every(({ size }) => size > 0) && isDisjoint(missing)) {
    // None of the distinguishing keys is present.
    const keys = missing.flatMap((names) => [...names].slice(0, 1));
    const detail = `needs ${keys.join(" or ")}`;
    return {
      issues: best.filter((issue) => !isMissing(issue, value) && isCommon(issue, fitting)),
      own: [{ path: [], detail }],
    };
  }
  const own = unknownKeys(best).flatMap((key) => {
    const other = fitting.find((issues) => issues !== best && known(key, issues));
    if (other === undefined || unknown.every((keys) => keys.includes(key))) return [];
    const beside = Object.keys(value as object).filter((name) => known(name, best) && !known(name, other));
    if (beside.length === 0) return [];
    return [{ path: [key], detail: `cannot be combined with ${beside.join(" and ")}: give one of them` }];
  });
  const explained = new Set(own.map(({ path }) => String(path[0])));
  return { issues: best.flatMap((issue) => withoutKeys(issue, explained)), own };
}

function distance(issues: readonly Issue[], value: unknown): number {
  let sum = 0;
  for (const issue of issues) {
    if (isOtherKind(issue)) sum += OTHER_KIND;
    else if (issue.code === "unrecognized_keys") sum += UNKNOWN_KEY * issue.keys.length;
    else if (isMissing(issue, value)) sum += MISSING;
    else sum += isConstant(issue) ? OTHER_CONSTANT : 1;
  }
  return sum;
}

/** Where each shape has another constant for a key, and the value has none of them: all of them. */
function differingConstants(shapes: readonly (readonly Issue[])[], value: unknown) {
  const found = shapes.map((issues) => issues.find((issue) => isConstant(issue) && !isMissing(issue, value)));
  const [first] = found;
  if (first === undefined || !found.every((issue) => issue !== undefined && keyOf(issue) === keyOf(first)))
    return null;
  const values = new Set(found.flatMap((issue) => (issue?.code === "invalid_value" ? issue.values : [])));
  if (values.size < 2) return null;
  return {
    path: first.path,
    detail: `must be one of ${[...values].map((each) => JSON.stringify(each)).join(", ")}`,
  };
}

function isOtherKind(issue: Issue): boolean {
  return issue.path.length === 0 && issue.code !== "unrecognized_keys";
}

function isConstant(issue: Issue): boolean {
  return issue.code === "invalid_value" && issue.path.length === 1 && issue.values.length === 1;
}

function isMissing({ path }: Issue, value: unknown): boolean {
  const [key] = path;
  return path.length === 1 && (value as Record<PropertyKey, unknown>)[key as PropertyKey] === undefined;
}

function keyOf({ path }: Issue): string {
  return String(path[0]);
}

function unknownKeys(issues: readonly Issue[]): string[] {
  return issues.flatMap((issue) =>
    issue.code === "unrecognized_keys" && issue.path.length === 0 ? issue.keys : [],
  );
}

function isDisjoint(sets: readonly ReadonlySet<string>[]): boolean {
  const all = sets.flatMap((names) => [...names]);
  return new Set(all).size === all.length;
}

/** An issue that every shape has, too. */
function isCommon(issue: Issue, shapes: readonly (readonly Issue[])[]): boolean {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.every((key) => shapes.every((issues) => unknownKeys(issues).includes(key)));
  }
  const path = issue.path.join("/");
  return shapes.every((issues) => issues.some((other) => other.path.join("/") === path));
}

function withoutKeys(issue: Issue, names: ReadonlySet<string>): Issue[] {
  if (issue.code !== "unrecognized_keys" || issue.path.length > 0) return [issue];
  const keys = issue.keys.filter((key) => !names.has(key));
  return keys.length === 0 ? [] : [{ ...issue, keys }];
}
