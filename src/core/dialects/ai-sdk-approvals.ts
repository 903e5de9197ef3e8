// Questions that a yes or a no answers, as the AI SDK's tool approvals: which these are, what they are known by, what an
// approval answers, and when a run goes on only after one. Pure.
import type { JsonObject } from "../../contract/json.ts";
import type { StreamEvent } from "./answer-fold.ts";

/** An approval by the id that its request has. */
export interface ApprovalId {
  execution_id: string;
  stage: string;
  /** The `seq` of the question. */
  seq: number;
}

export function approvalId({ execution_id, stage, seq }: ApprovalId): string {
  return `${execution_id}.${stage}.${seq}`;
}

/** Null for another's id. */
export function approvalOf(id: string): ApprovalId | null {
  const [, execution_id, stage, seq] = /^([\w-]+)\.(.+)\.(\d{1,15})$/.exec(id) ?? [];
  if (execution_id === undefined || stage === undefined) return null;
  return { execution_id, stage, seq: Number(seq) };
}

/** The question takes `{approved: true}` and `{approved: false}`. */
export function isApproval(schema: JsonObject | null): boolean {
  const approved = memberOf(schema, "approved");
  const required: unknown = schema?.["required"] ?? [];
  return approved?.["type"] === "boolean" && Array.isArray(required) && required.every(isApproved);
}

const isApproved = (name: unknown) => name === "approved";

/** The answer. @param reason goes where the schema has a text for it */
export function approvalAnswer(schema: JsonObject | null, approved: boolean, reason?: string): JsonObject {
  const place = REASONS.find((name) => memberOf(schema, name)?.["type"] === "string");
  return reason === undefined || reason === "" || place === undefined
    ? { approved }
    : { approved, [place]: reason };
}

const REASONS = ["reason", "remark", "comment"];

function memberOf(schema: JsonObject | null, name: string): JsonObject | null {
  const properties = objectOf(schema?.["properties"]);
  return properties !== null && Object.hasOwn(properties, name) ? objectOf(properties[name]) : null;
}

function objectOf(value: unknown): JsonObject | null {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as JsonObject) : null;
}

type Phase = "pending" | "active" | "asked" | "ended";

/** Knows whether anything of a run goes on while its approvals are open. */
export class OpenApprovals {
  private readonly settled: ReadonlySet<string>;
  private readonly stages = new Map<string, { needs: readonly string[]; phase: Phase }>();

  /** @param settled stages that had ended before the stream began: their questions in it are open no more */
  constructor(settled: ReadonlySet<string>) {
    this.settled = settled;
  }

  /** An approval is open, and no stage runs or could begin. */
  get hold(): boolean {
    const all = [...this.stages.values()];
    const hasEnded = (name: string) => (this.stages.get(name)?.phase ?? "ended") === "ended";
    const goesOn = all.some(
      ({ phase, needs }) => phase === "active" || (phase === "pending" && needs.every(hasEnded)),
    );
    return !goesOn && all.some(({ phase }) => phase === "asked");
  }

  push(event: StreamEvent): void {
    switch (event.type) {
      case "execution.queued":
      case "execution.started":
        for (const { name, depends_on } of event.data.stages) {
          if (!this.stages.has(name)) this.stages.set(name, { needs: depends_on, phase: "pending" });
        }
        return;
      case "stage.started":
        this.enter(event.stage, "active");
        return;
      case "stage.waiting": {
        const isOpen = event.data.reason === "wait" && isApproval(event.data.schema);
        this.enter(event.stage, isOpen && !this.settled.has(event.stage) ? "asked" : "active");
        return;
      }
      case "stage.completed":
      case "stage.failed":
      case "stage.skipped":
      case "stage.cancelled":
        this.enter(event.stage, "ended");
        return;
      default:
    }
  }

  private enter(name: string, phase: Phase): void {
    const stage = this.stages.get(name);
    if (stage !== undefined) stage.phase = phase;
  }
}
