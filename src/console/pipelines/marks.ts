// Where in the text an error of the verdict stands. The verdict names a stage and a field in words; the text has places.
import type { Hint } from "../../contract/management.ts";
import type { DefinitionError } from "../../contract/problem.ts";
import type { JsonText, Spot } from "./json-text.ts";

export interface Mark extends Spot {
  message: string;
  stage: string | null;
}

/** The stages of a text, of any shape; null if there is no list of them. */
export function stagesIn({ value }: JsonText): readonly unknown[] | null {
  const stages = (value as { stages?: unknown } | null | undefined)?.stages;
  return Array.isArray(stages) ? stages : null;
}

export function nameIn(stage: unknown): string | null {
  const name = (stage as { name?: unknown } | null)?.name;
  return typeof name === "string" ? name : null;
}

export function markOf(error: DefinitionError, text: JsonText): Mark {
  const stages = stagesIn(text) ?? [];
  const numbered = /^stage (\d+): /.exec(error.message);
  const at =
    numbered === null
      ? stages.findLastIndex((stage) => error.stage !== undefined && nameIn(stage) === error.stage)
      : Number(numbered[1]);
  const words = error.message.replace(/^stage \d+: /, "");
  const path = `/stages/${at}`;
  const spot = at < 0 ? undefined : fieldSpot(error, words, path, text);
  const { from, to } = spot ?? text.spots.get("/stages#") ?? { from: 0, to: 1 };
  return { from, to, message: error.message, stage: error.stage ?? nameIn(stages[at]) };
}

/** Where a hint belongs: the field that decides what it is about, else the stage's name. */
export function hintMark({ code, message, stage }: Hint, text: JsonText): Mark {
  const at = (stagesIn(text) ?? []).findLastIndex((candidate) => nameIn(candidate) === stage);
  const path = `/stages/${at}`;
  const field = code === "AGENT_NOT_REGISTERED" ? "agent_type" : "parallel";
  const spot = text.spots.get(`${path}/${field}`) ?? text.spots.get(`${path}/name`);
  const { from, to } = spot ?? { from: 0, to: 1 };
  return { from, to, message, stage };
}

function fieldSpot(error: DefinitionError, words: string, path: string, text: JsonText): Spot | undefined {
  const { spots } = text;
  const field = /^([\w/-]+): /.exec(words)?.[1];
  const unknown = /^(?:.*: )?Unrecognized keys?: "([^"]+)"/.exec(words)?.[1];
  const edges = error.code === "INVALID_PIPELINE_CONFIG" ? undefined : edgeSpot(words, path, text);
  return (
    (unknown === undefined ? undefined : spots.get(`${path}/${unknown}#`)) ??
    edges ??
    (field === undefined ? undefined : spots.get(`${path}/${field}`)) ??
    spots.get(`${path}/name`) ??
    spots.get(path)
  );
}

/** The dependency that the words name, else all of them. */
function edgeSpot(words: string, path: string, { spots, value }: JsonText): Spot | undefined {
  const at = Number(path.split("/")[2]);
  const edges = (value as { stages: { depends_on?: unknown }[] }).stages[at]?.depends_on;
  if (!Array.isArray(edges)) return spots.get(`${path}/name`);
  const named = new Set(words.match(/[\w.-]+/g));
  // The stage's own name stands in the words too, and is an edge only where the stage depends on itself.
  const edge = edges.findLastIndex((name) => typeof name === "string" && named.has(name));
  return spots.get(`${path}/depends_on/${edge}`) ?? spots.get(`${path}/depends_on`);
}
