import { useChannel, useStream } from "@langchain/react";
import { useState, type FormEvent } from "react";

import { Gate } from "./Gate";
import type { MissionValues, Place, Question, RecordedEvent } from "./types";

const CLASS = "crm_lead_intelligence";
const GOAL = "What do we know about this lead, and what should we do next?";

/** One thread, which is one mission: submitted, followed, answered. */
export function Mission({ apiUrl, apiKey }: Place) {
  const [threadId, setThreadId] = useState(() => new URLSearchParams(location.hash.slice(1)).get("thread"));
  const stream = useStream<MissionValues, Question>({
    apiUrl,
    apiKey,
    assistantId: CLASS,
    threadId,
    onThreadId: (id) => {
      history.replaceState(null, "", `#thread=${id}`);
      setThreadId(id);
    },
  });
  const recorded = useChannel(stream, ["custom"], undefined, { bufferSize: 1_000 });
  const stages = stagesOf(recorded.map((event) => (event.params as { data: { payload: RecordedEvent } }).data.payload));
  const { values, interrupt, error } = stream;
  const question = interrupt?.value;

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const told = new FormData(event.currentTarget);
    // A thread begins with a submission; `values` are what the graph makes of it.
    void stream.submit({ user_goal: told.get("goal"), inputs: { lead_id: told.get("lead") } } as MissionValues);
  }

  return (
    <main>
      {threadId === null && (
        <form onSubmit={submit}>
          <label>Lead <input name="lead" required /></label>
          <label>Goal <input name="goal" required defaultValue={GOAL} /></label>
          <button>Begin the mission</button>
        </form>
      )}
      <p role="status">{statusOf(values, stream.isLoading, question)}</p>
      <ol className="stages">{stages.map((stage) => <li key={stage}>{stage}</li>)}</ol>
      {error != null && <p role="alert">{String((error as Error).message ?? error)}</p>}
      {values.result && (
        <section aria-label="Result">
          <p>{values.result.summary}</p>
          <dl>{values.result.facts.map((fact) => <div key={fact.key}><dt>{fact.key}</dt><dd>{fact.value}</dd></div>)}</dl>
        </section>
      )}
      {question && (
        <Gate key={question.interrupt_id} question={question} answer={(said) => stream.respond(said, { interruptId: interrupt.id })} />
      )}
    </main>
  );
}

function statusOf(values: MissionValues, working: boolean, question: Question | undefined): string {
  if (question) return "waits for a person";
  if (working) return "at work";
  if (values.outcome) return `${values.outcome.status}: ${values.outcome.reason}`;
  return values.release ? (values.release.verdict === "rejected" ? "rejected" : "completed") : "not begun";
}

/** The stages that the mission's record says it entered; what the client is sent again counts once. */
function stagesOf(events: RecordedEvent[]): string[] {
  const entered = events.filter((event) => event.event_type === "stage.entered");
  return [...new Set(entered.map((event) => String(event.payload.stage)))];
}
