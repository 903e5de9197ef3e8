// Which variables reach which Worker on a developer's machine, and from where: flags, environment, .dev.vars.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  readFlags,
  valueOf,
  variablesOf,
  variableWords,
  without,
  wordsOf,
} from "../../../src/cli/config/flags.ts";
import { agentVariables, devVars, divide } from "../../../src/cli/config/variables.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "variables-test-"));
  mkdirSync(join(root, "fixtures/agents"), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (path: string, text: string) => writeFileSync(join(root, path), text);

describe("the agents' variables", () => {
  test("come from the root's .dev.vars, quoted and commented as dotenv allows", () => {
    write(".dev.vars", '# a model\nLLM_BASE_URL="http://a/v1"\nLLM_MODEL=tiny # small\nOTHER=x\n');
    expect(Object.fromEntries(agentVariables({}, { root }))).toEqual({
      LLM_BASE_URL: "http://a/v1",
      LLM_MODEL: "tiny",
    });
  });

  test("are the environment's before those of the agents' own file, and those before the root's", () => {
    write(".dev.vars", "LLM_BASE_URL=root\nLLM_API_KEY=root\nLLM_MODEL=root\n");
    write("fixtures/agents/.dev.vars", "LLM_API_KEY=own\nLLM_MODEL=own\nCORPUS_URL=own\n");
    expect(Object.fromEntries(agentVariables({ LLM_MODEL: "env", CORPUS_URL: "env" }, { root }))).toEqual({
      LLM_BASE_URL: "root",
      LLM_API_KEY: "own",
      LLM_MODEL: "env",
      CORPUS_URL: "own",
    });
  });

  test("are a flag's before all", () => {
    write(".dev.vars", "LLM_MODEL=root\n");
    const flags = new Map([["LLM_MODEL", "flag"]]);
    expect(agentVariables({ LLM_MODEL: "env" }, { root, flags }).get("LLM_MODEL")).toBe("flag");
  });

  test("that are empty in the environment are switched off", () => {
    write(".dev.vars", "LLM_BASE_URL=root\n");
    expect(agentVariables({ LLM_BASE_URL: "" }, { root }).get("LLM_BASE_URL")).toBe("");
  });

  test("are none where none are set", () => {
    expect(agentVariables({ PATH: "/bin", AGENT_SECRET: "s" }, { root }).size).toBe(0);
  });
});

test("an environment's own .dev.vars takes the place of the general one", () => {
  write(".dev.vars", "A=general\nB=general\n");
  write(".dev.vars.staging", "A=staging\n");
  expect(Object.fromEntries(devVars("wrangler.toml", "staging", root))).toEqual({ A: "staging" });
  expect(Object.fromEntries(devVars("wrangler.toml", "other", root))).toEqual({ A: "general", B: "general" });
});

describe("flags", () => {
  const WORDS = ["--port", "9000", "--var", "A:1", "B:x:y", "--var=A:2", "--remote", "-e", "staging"];

  test("keep their values and their words", () => {
    const flags = readFlags(WORDS);
    expect(flags.map(({ name, values }) => [name, values])).toEqual([
      ["port", ["9000"]],
      ["var", ["A:1", "B:x:y"]],
      ["var", ["A:2"]],
      ["remote", []],
      ["e", ["staging"]],
    ]);
    expect(wordsOf(flags)).toEqual(WORDS);
    expect(wordsOf(without(flags, "var", "e"))).toEqual(["--port", "9000", "--remote"]);
    expect(valueOf(flags, "env", "e")).toBe("staging");
    expect(valueOf(flags, "name")).toBeUndefined();
  });

  test("in camel case are the same flags, and a word that only begins with a hyphen is a value", () => {
    expect(readFlags(["--dryRun", "--persist-to", "-"]).map(({ name }) => name)).toEqual([
      "dry-run",
      "persist-to",
    ]);
  });

  test("set variables, the last of a name wins, and each reaches the Worker that reads it", () => {
    const variables = variablesOf(readFlags([...WORDS, "--var", "LLM_MODEL:m:7b"]));
    expect([...variables]).toEqual([
      ["B", "x:y"],
      ["A", "2"],
      ["LLM_MODEL", "m:7b"],
    ]);
    const { coordinator, agents } = divide(variables);
    expect(variableWords(coordinator)).toEqual(["--var", "B:x:y", "--var", "A:2"]);
    expect(Object.fromEntries(agents)).toEqual({ LLM_MODEL: "m:7b" });
  });
});
