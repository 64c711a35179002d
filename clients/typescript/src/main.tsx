import { StrictMode, useState, type FormEvent } from "react";
import { createRoot } from "react-dom/client";

import { Mission } from "./Mission";
import type { Place } from "./types";

/** Where Colony is and who asks. A key is never kept: it is typed in, or given by the page around this one. */
function Page() {
  const [place, setPlace] = useState<Place>();

  function enter(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const told = new FormData(event.currentTarget);
    setPlace({ apiUrl: String(told.get("api")), apiKey: String(told.get("key") || "") || undefined });
  }

  if (place) return <Mission {...place} />;
  return (
    <form onSubmit={enter}>
      <label>Colony at <input name="api" type="url" required defaultValue="http://127.0.0.1:8080" /></label>
      <label>Key <input name="key" type="password" autoComplete="off" /></label>
      <button>Enter</button>
    </form>
  );
}

const root = document.getElementById("page");
if (root) createRoot(root).render(<StrictMode><Page /></StrictMode>);
