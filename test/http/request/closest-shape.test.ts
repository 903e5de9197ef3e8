// Faults of a value that may have one of several shapes: named at the field that is wrong, in the shape that was meant.
import { describe, expect, test } from "vitest";
import { AgentRegistration, ProtocolName } from "../../../src/contract/agent.ts";
import { PipelineStage } from "../../../src/contract/stage.ts";
import type * as z from "../../../src/contract/zod.ts";
import { parseWith } from "../../../src/http/request/body.ts";

function faults(schema: z.ZodMiniType, value: unknown): string[] {
  const parsed = parseWith(schema, value);
  if (parsed.ok || parsed.error.code !== "INVALID_REQUEST") return [];
  return parsed.error.errors.map(({ pointer, detail }) => `${pointer} ${detail}`);
}

/** The fault of a protocol that is not one of the contract's. */
const NO_PROTOCOL = (received: string) =>
  `/protocol ${ProtocolName.safeParse("soap").error?.issues[0]?.message}, received ${received}`;

describe("a registration", () => {
  test.each([
    [{ url: "http://x/", protocol: "soap" }, [NO_PROTOCOL('"soap"')]],
    [{ binding: "AGENTS", protocol: "soap" }, [NO_PROTOCOL('"soap"')]],
    [{ binding: "AGENTS", path: "x" }, ['/path must be an absolute path, received "x"']],
    [
      { binding: "nope", path: "x", protocol: 1 },
      [
        '/binding must begin with AGENTS, received "nope"',
        '/path must be an absolute path, received "x"',
        NO_PROTOCOL("1"),
      ],
    ],
    [{ url: "u", binding: "AGENTS" }, ["/binding cannot be combined with url: give one of them"]],
    [
      { url: "u", binding: "AGENTS", path: "/x" },
      ["/url cannot be combined with binding and path: give one of them"],
    ],
    [{}, [" needs url or binding"]],
    [{ path: "/x" }, [" needs url or binding"]],
    [{ URL: "u" }, [" needs url or binding", "/URL is not a known field"]],
    [{ protocol: "soap" }, [" needs url or binding", NO_PROTOCOL('"soap"')]],
    ["x", [' Invalid input: expected object, received string, received "x"']],
  ])("%j", (value, expected) => {
    expect(faults(AgentRegistration, value)).toEqual(expected);
  });
});

describe("a stage's field of several kinds", () => {
  test.each([
    [{ fallback: {} }, ["/fallback/strategy is required"]],
    [{ fallback: { strategy: "use_default" } }, ["/fallback/data is required"]],
    [
      { fallback: { strategy: "x" } },
      ['/fallback/strategy must be one of "use_cached_results", "use_simple_model", "use_default"'],
    ],
    [{ fallback: { strategy: "use_cached_results", data: {} } }, ["/fallback/data is not a known field"]],
    [{ cache: {} }, ["/cache/ttl_seconds is required"]],
    [{ cache: "yes" }, ['/cache Invalid input: expected boolean, received string, received "yes"']],
  ])("%j", (fields, expected) => {
    expect(faults(PipelineStage, { name: "a", agent_type: "b", ...fields })).toEqual(expected);
  });
});
