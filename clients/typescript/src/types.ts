// What this page reads of a mission; GET /assistants/{id}/schemas and /openapi.json describe the whole.

export interface Proposal {
  proposal_id: string;
  payload_sha256: string;
  operation: string;
  target: { system: string; entity: string; id: string };
  before: Record<string, unknown>;
  after: Record<string, unknown>;
  rationale: string;
  risk_level: string;
  taint: { field: string; trust: string }[];
}

/** What a person is asked at the release gate: the value of the thread's interrupt. */
export interface Question {
  interrupt_id: string;
  proposals: Proposal[];
  reasons: string[];
}

/** The graph's channels, of which this page needs few, and what the review released. */
export interface MissionValues {
  verdict?: string;
  release?: { verdict: string; granted: number };
  outcome?: { status: string; code: string; reason: string; hint: string };
  result?: { summary: string; facts: { key: string; value: string }[] };
  [channel: string]: unknown;
}

/** One entry of the mission's record, as it comes on the `custom` channel. */
export interface RecordedEvent {
  seq: number;
  event_type: string;
  payload: Record<string, unknown>;
}

export interface Place {
  apiUrl: string;
  apiKey: string | undefined;
}
