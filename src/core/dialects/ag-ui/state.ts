// The state that an AG-UI client holds of a run: the application's own, and under `coordinator` the run's stages. It is
// sent whole once, and then as JSON Patch (RFC 6902).
import type { JsonObject } from "../../../contract/json.ts";

export interface PatchOperation {
  op: "add" | "replace" | "remove";
  path: string;
  value?: unknown;
}

export class RunState {
  private readonly stages = new Map<string, JsonObject>();
  private status = "";

  /** The whole state. @param own of the application */
  begin(
    own: JsonObject,
    about: { execution_id: string; pipeline: string; pipeline_version: number; status: string },
    stages: readonly { name: string; agent_type?: string | undefined }[],
  ): JsonObject {
    this.status = about.status;
    for (const { name, agent_type = null } of stages)
      this.stages.set(name, { status: "pending", agent_type });
    const coordinator = { ...about, stages: Object.fromEntries(this.stages) };
    return { ...own, coordinator };
  }

  /** What makes the run's status this one; nothing where it is. */
  runStatus(status: string): PatchOperation[] {
    if (status === this.status) return [];
    this.status = status;
    return [{ op: "replace", path: "/coordinator/status", value: status }];
  }

  /** What sets these members of a stage; one that is undefined is removed. */
  stage(name: string, members: Readonly<Record<string, unknown>>): PatchOperation[] {
    const known = this.stages.get(name);
    if (known === undefined) return [];
    return Object.entries(members).flatMap(([key, value]): PatchOperation[] => {
      const path = `/coordinator/stages/${escaped(name)}/${escaped(key)}`;
      const has = Object.hasOwn(known, key);
      if (value === undefined) {
        delete known[key];
        return has ? [{ op: "remove", path }] : [];
      }
      if (has && known[key] === value) return [];
      known[key] = value;
      return [{ op: has ? "replace" : "add", path, value }];
    });
  }
}

function escaped(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
