// What a question shows: its heading, then each further value of the prompt. All of it is data of others, and is text.
import type { JsonObject } from "../../contract/json.ts";
import { headingKey } from "../../contract/question.ts";
import { words } from "../lib/format.ts";
import { JsonTree } from "../ui/json-tree.tsx";

export function Prompt({ prompt }: { prompt: JsonObject }) {
  const heading = headingKey(prompt);
  const rest = Object.entries(prompt).filter(([key]) => key !== heading);
  return (
    <div class="prompt">
      {heading !== null && <p class="prompt-heading">{String(prompt[heading])}</p>}
      {rest.length > 0 && (
        <dl>
          {rest.map(([key, value]) => (
            <div key={key}>
              <dt>{words(key)}</dt>
              <dd>
                {typeof value === "string" ? (
                  <p class="prompt-text">{value}</p>
                ) : (
                  <JsonTree value={value} open={2} />
                )}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}
