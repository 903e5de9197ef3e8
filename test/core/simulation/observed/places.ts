// Places among the concurrent stages (I10) and the order in which calls begin, by the observer's knowledge.
import { hold } from "./hold.ts";
import type { Observed, Sight } from "./stage.ts";

/** Whether a call of the stage fits beside those that have a place. */
export function hasPlace(observer: Sight, stage: Observed): boolean {
  const active = observer.active();
  if (active.length === 0) return true;
  const full = active.length >= observer.spec.config.max_concurrent_stages;
  return !full && !stage.exclusive && !active.some((other) => other.exclusive);
}

/** I10: a call begins where there is a place for it. */
export function holdPlace(observer: Sight, stage: Observed): void {
  const { name } = stage.spec;
  const active = observer.active();
  const limit = observer.spec.config.max_concurrent_stages;
  hold("I10", active.length < limit, () => `${name} started beside ${active.length}, the limit is ${limit}`);
  if (stage.exclusive)
    hold("I10", active.length === 0, () => `${name} is exclusive and started beside others`);
  const alone = active.find((other) => other.exclusive);
  hold("I10", alone === undefined, () => `${name} started beside the exclusive ${alone?.spec.name}`);
}

/** The order of src/contract/README.md section 2: definition order, nothing overtakes an exclusive stage that waits. */
export function holdOrder(observer: Sight, stage: Observed): void {
  const { name } = stage.spec;
  // One whose agent has limits may wait for that, and holds up no other.
  const isHeldUp = ({ spec }: Observed) => observer.spec.agents[spec.agent_type ?? ""]?.limits !== undefined;
  const ready = observer.ready().filter((other) => !isHeldUp(other));
  const question = ready.find((other) => other.question !== null);
  hold("I10", question === undefined, () => `${name} went before the question of ${question?.spec.name}`);
  const overtakes = (one: Observed) =>
    ready.find((e) => e.exclusive && (e.readySeq as number) < (one.readySeq as number));
  const overtaken = overtakes(stage);
  hold("I10", overtaken === undefined, () => `${name} overtook the exclusive ${overtaken?.spec.name}`);
  if (observer.ready().some(isHeldUp)) return;
  const earlier = ready.find((other) => other.at < stage.at && overtakes(other) === undefined);
  hold("I10", earlier === undefined, () => `${name} went before ${earlier?.spec.name}`);
}
