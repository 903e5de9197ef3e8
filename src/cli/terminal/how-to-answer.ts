// How the question of a run that waits is answered: the demo has no page of its own, so it is a command to copy.
import type { RunView } from "../../client/index.ts";

/** A command for each open question, and what happens then; nothing where none is open. @param url of the coordinator */
export function howToAnswer({ execution_id, stages }: RunView, url: string): string[] {
  const open = stages.filter(({ wait }) => wait?.reason === "wait");
  if (open.length === 0) return [];
  return [
    ...open.flatMap(({ name }) => [
      `To answer ${name}:`,
      `curl ${url}/v1/executions/${execution_id}/stages/${encodeURIComponent(name)}/complete -H 'content-type: application/json' -d '{"data": {}}'`,
    ]),
    "The run goes on when it is answered. Ctrl-C ends it.",
  ];
}
