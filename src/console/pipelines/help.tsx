// Help at the cursor: the field's meaning, its allowed values, and the fields that can be added to the stage.
import { Card } from "../ui/parts.tsx";
import { fieldsFor, helpFor, typeOf, withField } from "./fields.ts";

interface HelpProps {
  /** Of the value at the cursor. */
  path: string;
  /** The whole definition as far as it is JSON. */
  value: unknown;
  onRewrite: (value: unknown) => void;
}

interface Definition {
  stages: Record<string, unknown>[];
}

export function Help({ path, value, onRewrite }: HelpProps) {
  const [, , index, field, part] = path.split("/");
  const stages = (value as Partial<Definition> | null | undefined)?.stages;
  const stage = Array.isArray(stages) ? stages[Number(index ?? Number.NaN)] : undefined;
  const known = helpFor(field, part);
  const missing = stage === undefined ? [] : fieldsFor(stage);
  const change = (edit: (definition: Definition) => void) => {
    const copy = structuredClone(value) as Definition;
    edit(copy);
    onRewrite(copy);
  };
  return (
    <Card title={known === undefined ? "Fields of a stage" : known.title} id="help-title">
      <div class="help" aria-live="polite">
        {known !== undefined && (
          <>
            <p>{known.words}</p>
            <p class="mono quiet">{known.type}</p>
          </>
        )}
        {known === undefined && stage === undefined && (
          <p class="quiet">Put the cursor on a field to see its meaning and its allowed values.</p>
        )}
        {stage !== undefined && missing.length > 0 && (
          <div class="help-fields">
            <p class="quiet small">Add to this stage</p>
            {missing.map((added) => (
              <button
                key={added.name}
                type="button"
                class="chip"
                title={`${added.words} (${typeOf(added.name)})`}
                onClick={() =>
                  change(({ stages: all }) => {
                    all[Number(index)] = withField(all[Number(index)] ?? {}, added);
                  })
                }
              >
                {added.name}
              </button>
            ))}
          </div>
        )}
        {Array.isArray(stages) && (
          <button
            type="button"
            class="link"
            onClick={() =>
              change((definition) => {
                const last = definition.stages.at(-1)?.["name"];
                definition.stages.push({
                  name: freshName(definition.stages),
                  agent_type: "query_rewriter",
                  ...(typeof last === "string" ? { depends_on: [last] } : {}),
                });
              })
            }
          >
            Add a stage
          </button>
        )}
      </div>
    </Card>
  );
}

function freshName(stages: readonly Record<string, unknown>[]): string {
  const names = new Set(stages.map((stage) => stage["name"]));
  for (let number = stages.length + 1; ; number += 1) {
    if (!names.has(`stage_${number}`)) return `stage_${number}`;
  }
}
