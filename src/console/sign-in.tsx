// The sign-in form, shown if the coordinator requires a key. The key is tried before it is stored, for this tab only.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { CoordinatorClientError } from "../client/index.ts";
import { signIn } from "./lib/session.ts";
import { Failure } from "./ui/parts.tsx";

export function SignIn({ reason }: { reason: string }) {
  const candidate = useSignal("");
  const busy = useSignal(false);
  const failure = useSignal<unknown>(null);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const isWrong = failure.value instanceof CoordinatorClientError && failure.value.code === "UNAUTHORIZED";
  const enter = async () => {
    const key = candidate.value.trim();
    if (key === "" || busy.value) return;
    busy.value = true;
    failure.value = null;
    try {
      await signIn(key);
    } catch (cause) {
      failure.value = cause;
      field.current?.select();
    } finally {
      busy.value = false;
    }
  };
  return (
    <form
      class="card sign-in"
      aria-label="Sign in"
      onSubmit={(event) => {
        event.preventDefault();
        void enter();
      }}
    >
      <h1>Sign in</h1>
      <p class="quiet">{reason}</p>
      <label class="field">
        <span>Key</span>
        <input
          ref={field}
          type="password"
          autocomplete="off"
          spellcheck={false}
          aria-invalid={isWrong}
          aria-describedby="key-note"
          value={candidate.value}
          onInput={(event) => {
            candidate.value = event.currentTarget.value;
          }}
        />
      </label>
      {isWrong && (
        <p class="bad" role="alert">
          The coordinator does not know this key. Check it for missing characters, or ask the operator of the
          coordinator.
        </p>
      )}
      {failure.value !== null && !isWrong && <Failure cause={failure.value} />}
      <p id="key-note" class="quiet small">
        It is stored in this tab only and removed when the tab closes.
      </p>
      <button type="submit" class="primary" disabled={busy.value || candidate.value.trim() === ""}>
        {busy.value ? "Checking the key" : "Sign in"}
      </button>
    </form>
  );
}
