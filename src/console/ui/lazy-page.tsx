// A view whose code is loaded when it is first opened, so that the first load of the page stays small.
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { Empty } from "./parts.tsx";

/** @param load the view; after a deployment its file may be gone, for a page that was open before */
export function lazyPage(load: () => Promise<ComponentType>): ComponentType {
  const view = signal<ComponentType | null>(null);
  const hasFailed = signal(false);
  let loading: Promise<void> | null = null;
  const begin = async () => {
    try {
      view.value = await load();
    } catch {
      hasFailed.value = true;
    }
  };
  return () => {
    const View = view.value;
    if (View !== null) return <View />;
    if (hasFailed.value) {
      return <Empty title="This view could not be loaded">Reload the page to try again.</Empty>;
    }
    loading ??= begin();
    return <p class="loading">Loading…</p>;
  };
}
