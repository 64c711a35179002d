-- Documents in passages, so that the search covers all of a long one and evidence is the part that speaks of a question.
-- There is no GIN index: under row-level security only leakproof operators may use one, and the search's is not; the
-- primary key leads to the tenant's own rows.
-- depends: 0002_root
CREATE TABLE root.passages (
  tenant_id text NOT NULL DEFAULT colony_tenant(),
  document_id text NOT NULL,
  "start" integer NOT NULL CHECK ("start" >= 0),
  "end" integer NOT NULL,
  heading text NOT NULL,
  text text NOT NULL CHECK (length(text) = "end" - "start"),
  search tsvector NOT NULL,
  PRIMARY KEY (tenant_id, document_id, "start"),
  FOREIGN KEY (tenant_id, document_id) REFERENCES root.documents ON DELETE CASCADE
);

-- What was imported before is cut at the ends of lines, every 2,000 characters or so. Row-level security binds the owner,
-- too, so it is lifted for this statement.
ALTER TABLE root.documents NO FORCE ROW LEVEL SECURITY;
INSERT INTO root.passages (tenant_id, document_id, "start", "end", heading, text, search)
SELECT tenant_id, document_id, min(at)::integer, (min(at) + length(string_agg(line, E'\n' ORDER BY n)))::integer, '',
  string_agg(line, E'\n' ORDER BY n), to_tsvector('english', title || ' ' || left(string_agg(line, E'\n' ORDER BY n), 200000))
FROM (
  SELECT d.tenant_id, d.document_id, d.title, l.line, l.n,
    sum(length(l.line) + 1) OVER (PARTITION BY d.tenant_id, d.document_id ORDER BY l.n) - length(l.line) - 1 AS at
  FROM root.documents AS d CROSS JOIN LATERAL string_to_table(d.text, E'\n') WITH ORDINALITY AS l (line, n)
) AS lines
GROUP BY tenant_id, document_id, title, at::integer / 2000;
ALTER TABLE root.documents FORCE ROW LEVEL SECURITY;

ALTER TABLE root.passages ENABLE ROW LEVEL SECURITY;
ALTER TABLE root.passages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON root.passages USING (tenant_id = (SELECT colony_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON root.passages TO colony_root;
