-- The embedded root: the development backend that Colony talks to over HTTP as it would to a real product's.
-- It shares the database, not the data: role colony_root sees this schema only, and Colony's own role sees none of it.
-- depends: 0001_colony

CREATE SCHEMA root;

CREATE TABLE root.leads (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  lead_id text NOT NULL,
  attributes jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object'),
  version bigint NOT NULL DEFAULT 1,
  ordinal bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, lead_id)
);

CREATE TABLE root.chats (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  lead_id text NOT NULL,
  conversation_id text NOT NULL,
  channel text NOT NULL,
  messages jsonb NOT NULL CHECK (jsonb_typeof(messages) = 'array'),
  version bigint NOT NULL DEFAULT 1,
  position bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, lead_id, conversation_id),
  FOREIGN KEY (tenant_id, lead_id) REFERENCES root.leads
);

CREATE TABLE root.activities (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  activity_id text NOT NULL,
  lead_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('notes', 'tasks', 'messages')),
  attributes jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object'),
  position bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, activity_id),
  FOREIGN KEY (tenant_id, lead_id) REFERENCES root.leads
);
CREATE INDEX activities_of_a_lead ON root.activities (tenant_id, lead_id, kind, position);

CREATE TABLE root.boards (
  tenant_id text PRIMARY KEY DEFAULT colony_tenant(),
  stages jsonb NOT NULL CHECK (jsonb_typeof(stages) = 'array'),
  version bigint NOT NULL DEFAULT 1,
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE root.pages (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  page_id text NOT NULL,
  attributes jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object'),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, page_id)
);

-- A tsvector holds 1 MB at most, so the search covers the first 200,000 characters; the text itself is kept whole.
CREATE TABLE root.documents (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  document_id text NOT NULL,
  title text NOT NULL,
  source text NOT NULL,
  media_type text NOT NULL,
  text text NOT NULL,
  search tsvector GENERATED ALWAYS AS (to_tsvector('english', title || ' ' || left(text, 200000))) STORED,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, document_id)
);
CREATE INDEX documents_search ON root.documents USING gin (search);

CREATE TABLE root.campaigns (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  campaign_id text NOT NULL,
  columns jsonb NOT NULL CHECK (jsonb_typeof(columns) = 'array'),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, campaign_id)
);

CREATE TABLE root.campaign_rows (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  campaign_id text NOT NULL,
  position bigint NOT NULL,
  attributes jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object'),
  PRIMARY KEY (tenant_id, campaign_id, position),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES root.campaigns
);

CREATE TABLE root.signals (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  lead_id text NOT NULL,
  signal_id text NOT NULL,
  attributes jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object'),
  version bigint NOT NULL DEFAULT 1,
  position bigint GENERATED ALWAYS AS IDENTITY,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, lead_id, signal_id),
  FOREIGN KEY (tenant_id, lead_id) REFERENCES root.leads
);

-- The body is kept as bytes: a repeated call gets the very same answer, which jsonb would reorder.
CREATE TABLE root.idempotency (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  key text NOT NULL,
  method text NOT NULL,
  path text NOT NULL,
  request_sha256 text NOT NULL,
  status integer,
  headers jsonb,
  body bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, key)
);

ALTER TABLE root.leads ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.leads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.leads USING (tenant_id = (SELECT colony_tenant()));

ALTER TABLE root.chats ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.chats FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.chats USING (tenant_id = (SELECT colony_tenant()));

ALTER TABLE root.activities ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.activities FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.activities USING (tenant_id = (SELECT colony_tenant()));

ALTER TABLE root.boards ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.boards FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.boards USING (tenant_id = (SELECT colony_tenant()));

ALTER TABLE root.pages ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.pages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.pages USING (tenant_id = (SELECT colony_tenant()));

ALTER TABLE root.documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.documents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.documents USING (tenant_id = (SELECT colony_tenant()));

ALTER TABLE root.campaigns ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.campaigns FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.campaigns USING (tenant_id = (SELECT colony_tenant()));

ALTER TABLE root.campaign_rows ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.campaign_rows FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.campaign_rows USING (tenant_id = (SELECT colony_tenant()));

ALTER TABLE root.signals ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.signals FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.signals USING (tenant_id = (SELECT colony_tenant()));

ALTER TABLE root.idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.idempotency FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.idempotency USING (tenant_id = (SELECT colony_tenant()));

GRANT USAGE ON SCHEMA root TO colony_root;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA root TO colony_root;
