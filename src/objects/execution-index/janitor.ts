// Deletes the objects of executions whose retention is over: a request each, many at a time, instead of an alarm that
// each of them would have to set.
import { expireExecution } from "../../adapters/durable/execution-client.ts";
import { within } from "../../adapters/platform/time-limit.ts";
import type { Sweep } from "./row-sweep.ts";

/** At the same time: each opens and deletes a database. */
const AT_ONCE = 20;
/** Time limit of one. */
const EXPIRE_MS = 10_000;

export class Janitor {
  private readonly executions: DurableObjectNamespace;
  private readonly tenant: string;

  constructor(executions: DurableObjectNamespace, tenant: string) {
    this.executions = executions;
    this.tenant = tenant;
  }

  /** The places of those that are gone; the others are asked again with the next sweep. */
  async empty(objects: Sweep["objects"]): Promise<ReadonlySet<number>> {
    const gone = new Set<number>();
    const left = [...objects];
    const work = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const { place, id, start } = next;
        const expired = expireExecution(this.executions, this.tenant, id, start).then(() => true);
        if (await within(EXPIRE_MS, expired, false)) gone.add(place);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return gone;
  }
}
