import { useState } from "react";

import type { Proposal, Question } from "./types";

type Answer = { decision: "approve" | "reject"; decisions?: { proposal_id: string; payload_sha256: string; verdict: string }[]; reason?: string };

/** What a person is asked: every change with its hash, so that what is approved is what was seen. */
export function Gate({ question, answer }: { question: Question; answer: (said: Answer) => Promise<void> }) {
  const [refused, setRefused] = useState<string>();
  const [sent, setSent] = useState(false);

  async function say(said: Answer) {
    setSent(true);
    try {
      await answer(said);
    } catch (error) {
      setRefused((error as Error).message);
      setSent(false);
    }
  }

  const decisions = question.proposals.map(({ proposal_id, payload_sha256 }) => ({ proposal_id, payload_sha256, verdict: "approve" }));
  return (
    <section aria-label="To be approved">
      {question.reasons.map((reason) => <p key={reason}>{reason}</p>)}
      {question.proposals.map((proposal) => <Change key={proposal.proposal_id} proposal={proposal} />)}
      <button disabled={sent} onClick={() => say({ decision: "approve", decisions })}>Approve</button>{" "}
      <button disabled={sent} onClick={() => say({ decision: "reject", reason: "turned down on the page" })}>Reject</button>
      {refused && <p role="alert">{refused}</p>}
    </section>
  );
}

function Change({ proposal }: { proposal: Proposal }) {
  const untrusted = new Set(proposal.taint.map((label) => label.field));
  return (
    <fieldset>
      <legend>{proposal.operation} on {proposal.target.entity} {proposal.target.id}, risk {proposal.risk_level}</legend>
      {Object.entries(proposal.after).map(([field, value]) => (
        <p key={field}>
          {field}: {field in proposal.before && <del>{String(proposal.before[field])}</del>} <ins>{String(value)}</ins>{" "}
          {untrusted.has(field) && <span className="untrusted">from what a customer wrote</span>}
        </p>
      ))}
      <p>{proposal.rationale}</p>
    </fieldset>
  );
}
