-- Queries of the embedded root. Row-level security supplies the tenant; every table fills tenant_id by itself.

-- name: lead
SELECT lead_id, attributes, version FROM root.leads WHERE lead_id = %(lead_id)s;

-- name: lead_for_update
SELECT lead_id, attributes, version FROM root.leads WHERE lead_id = %(lead_id)s FOR UPDATE;

-- name: leads
SELECT lead_id, attributes, version
FROM root.leads
WHERE (%(after)s::text IS NULL OR lead_id > %(after)s)
  AND (%(stage)s::text IS NULL OR attributes ->> 'stage' = %(stage)s)
  AND (%(owner)s::text IS NULL OR attributes ->> 'owner' = %(owner)s)
  AND (%(source)s::text IS NULL OR attributes ->> 'source' = %(source)s)
  AND (
    %(pattern)s::text IS NULL
    OR lead_id ILIKE %(pattern)s
    OR EXISTS (SELECT FROM jsonb_each_text(attributes) AS a WHERE a.value ILIKE %(pattern)s)
  )
ORDER BY lead_id
LIMIT %(limit)s;

-- name: update_lead
UPDATE root.leads
SET attributes = %(attributes)s, version = version + 1, updated_at = now()
WHERE lead_id = %(lead_id)s
RETURNING lead_id, attributes, version;

-- name: put_leads
INSERT INTO root.leads AS was (lead_id, attributes)
SELECT given.lead_id, given.attributes
FROM unnest(%(lead_id)s::text[], ARRAY(SELECT jsonb_array_elements(%(attributes)s)))
  WITH ORDINALITY AS given (lead_id, attributes, nth)
ORDER BY given.nth
ON CONFLICT (tenant_id, lead_id) DO UPDATE
SET attributes = excluded.attributes, version = was.version + 1, updated_at = now()
WHERE was.attributes IS DISTINCT FROM excluded.attributes
RETURNING version = 1 AS created;

-- name: known_leads
SELECT lead_id FROM root.leads WHERE lead_id = ANY(%(lead_id)s::text[]);

-- name: chats
SELECT conversation_id, channel, messages FROM root.chats WHERE lead_id = %(lead_id)s ORDER BY position;

-- name: put_chats
INSERT INTO root.chats AS was (lead_id, conversation_id, channel, messages)
SELECT given.lead_id, given.conversation_id, given.channel, given.messages
FROM unnest(
    %(lead_id)s::text[], %(conversation_id)s::text[], %(channel)s::text[],
    ARRAY(SELECT jsonb_array_elements(%(messages)s))
  ) WITH ORDINALITY AS given (lead_id, conversation_id, channel, messages, nth)
ORDER BY given.nth
ON CONFLICT (tenant_id, lead_id, conversation_id) DO UPDATE
SET channel = excluded.channel, messages = excluded.messages, version = was.version + 1, updated_at = now()
WHERE (was.channel, was.messages) IS DISTINCT FROM (excluded.channel, excluded.messages)
RETURNING version = 1 AS created;

-- name: add_activity
INSERT INTO root.activities (activity_id, lead_id, kind, attributes)
VALUES (%(activity_id)s, %(lead_id)s, %(kind)s, %(attributes)s)
RETURNING activity_id, attributes, created_at;

-- name: activities
SELECT activity_id, attributes, created_at, position
FROM root.activities
WHERE lead_id = %(lead_id)s AND kind = %(kind)s AND position > %(after)s
ORDER BY position
LIMIT %(limit)s;

-- name: write_counts
SELECT
  l.version,
  count(*) FILTER (WHERE a.kind = 'notes') AS notes,
  count(*) FILTER (WHERE a.kind = 'tasks') AS tasks,
  count(*) FILTER (WHERE a.kind = 'messages') AS messages
FROM root.leads AS l
LEFT JOIN root.activities AS a USING (tenant_id, lead_id)
WHERE l.lead_id = %(lead_id)s
GROUP BY l.version;

-- name: stages
SELECT attributes ->> 'stage' AS stage, count(*) AS leads
FROM root.leads
GROUP BY 1
ORDER BY min(ordinal);

-- name: board
SELECT stages FROM root.boards;

-- name: put_board
INSERT INTO root.boards AS was (stages)
VALUES (%(stages)s)
ON CONFLICT (tenant_id) DO UPDATE
SET stages = excluded.stages, version = was.version + 1, updated_at = now()
WHERE was.stages IS DISTINCT FROM excluded.stages
RETURNING version = 1 AS created;

-- name: demographics
SELECT trait, value, count(*) AS leads
FROM root.leads CROSS JOIN LATERAL (VALUES
  ('source', attributes ->> 'source'),
  ('stage', attributes ->> 'stage'),
  ('language', coalesce(attributes ->> 'language', attributes ->> 'preferred_language'))
) AS t (trait, value)
GROUP BY 1, 2
ORDER BY 1, 3 DESC, 2;

-- name: documents
WITH asked AS (
  SELECT CASE
    WHEN %(q)s::text IS NULL THEN NULL
    ELSE replace(plainto_tsquery('english', %(q)s)::text, ' & ', ' | ')::tsquery
  END AS query
), ranked AS (
  SELECT d.*, coalesce(round(ts_rank(d.search, asked.query)::numeric, 6), 0) AS rank
  FROM root.documents AS d CROSS JOIN asked
  WHERE asked.query IS NULL OR d.search @@ asked.query
)
SELECT document_id, title, source, media_type, rank::text AS rank, version,
  length(text) AS characters,
  CASE WHEN %(with_text)s::boolean THEN text END AS text
FROM ranked
WHERE %(after)s::text IS NULL
  OR rank < %(after_rank)s::numeric
  OR (rank = %(after_rank)s::numeric AND document_id > %(after)s)
ORDER BY ranked.rank DESC, document_id
LIMIT %(limit)s;

-- name: document
SELECT document_id, title, source, media_type, length(text) AS characters, text, version
FROM root.documents
WHERE document_id = %(document_id)s;

-- name: put_documents
INSERT INTO root.documents AS was (document_id, title, source, media_type, text)
SELECT given.document_id, given.title, given.source, given.media_type, given.text
FROM unnest(
    %(document_id)s::text[],
    ARRAY(SELECT jsonb_array_elements_text(%(title)s)),
    ARRAY(SELECT jsonb_array_elements_text(%(source)s)),
    %(media_type)s::text[],
    ARRAY(SELECT jsonb_array_elements_text(%(text)s))
  ) AS given (document_id, title, source, media_type, text)
ON CONFLICT (tenant_id, document_id) DO UPDATE
SET title = excluded.title, source = excluded.source, media_type = excluded.media_type, text = excluded.text,
  version = was.version + 1, updated_at = now()
WHERE (was.title, was.source, was.media_type, was.text)
  IS DISTINCT FROM (excluded.title, excluded.source, excluded.media_type, excluded.text)
RETURNING version = 1 AS created, document_id;

-- name: passages
WITH asked AS (
  SELECT lexeme, quote_literal(lexeme)::tsquery AS one
  FROM unnest(to_tsvector('english', replace(%(q)s, E'\\', ' '))) AS word (lexeme, positions, weights)
), hit AS (
  SELECT p.document_id, p."start", asked.lexeme, ts_rank(p.search, asked.one, 1) AS weight
  FROM root.passages AS p JOIN asked ON p.search @@ asked.one
), rarity AS (
  SELECT lexeme, ln(1 + (every.n - count(*) + 0.5) / (count(*) + 0.5)) AS idf
  FROM hit CROSS JOIN (SELECT count(*) AS n FROM root.passages) AS every
  GROUP BY lexeme, every.n
), best AS (
  SELECT hit.document_id, hit."start", round(sum(hit.weight * rarity.idf)::numeric, 6) AS score
  FROM hit JOIN rarity USING (lexeme)
  WHERE %(document_ids)s::text[] IS NULL OR hit.document_id = ANY(%(document_ids)s::text[])
  GROUP BY hit.document_id, hit."start"
  ORDER BY score DESC, hit.document_id, hit."start"
  LIMIT %(limit)s
)
SELECT p.document_id, d.title, d.source, d.media_type, length(d.text) AS characters, d.version,
  p.heading, p."start", p."end", p.text, best.score::float AS score
FROM best
JOIN root.passages AS p USING (document_id, "start")
JOIN root.documents AS d USING (document_id)
ORDER BY best.score DESC, p.document_id, p."start";

-- name: unknown_documents
SELECT given.document_id
FROM unnest(%(document_ids)s::text[]) AS given (document_id)
WHERE NOT EXISTS (SELECT FROM root.documents AS d WHERE d.document_id = given.document_id)
LIMIT 1;

-- name: drop_passages
DELETE FROM root.passages WHERE document_id = ANY(%(document_id)s::text[]);

-- name: put_passages
INSERT INTO root.passages (document_id, "start", "end", heading, text, search)
SELECT given.*, to_tsvector('english', d.title || ' ' || given.heading || ' ' || given.text)
FROM unnest(
    %(document_id)s::text[], %(start)s::integer[], %(end)s::integer[],
    ARRAY(SELECT jsonb_array_elements_text(%(heading)s)),
    ARRAY(SELECT jsonb_array_elements_text(%(text)s))
  ) AS given (document_id, "start", "end", heading, text)
JOIN root.documents AS d USING (document_id);

-- name: page
SELECT page_id, attributes, version FROM root.pages WHERE page_id = %(page_id)s;

-- name: page_for_update
SELECT page_id, attributes, version FROM root.pages WHERE page_id = %(page_id)s FOR UPDATE;

-- name: pages
SELECT page_id, attributes, version
FROM root.pages
WHERE %(after)s::text IS NULL OR page_id > %(after)s
ORDER BY page_id
LIMIT %(limit)s;

-- name: update_page
UPDATE root.pages
SET attributes = %(attributes)s, version = version + 1, updated_at = now()
WHERE page_id = %(page_id)s
RETURNING page_id, attributes, version;

-- name: create_page
INSERT INTO root.pages (page_id, attributes)
VALUES (%(page_id)s, %(attributes)s)
ON CONFLICT (tenant_id, page_id) DO NOTHING
RETURNING page_id, attributes, version;

-- name: put_pages
INSERT INTO root.pages AS was (page_id, attributes)
SELECT given.page_id, given.attributes
FROM unnest(%(page_id)s::text[], ARRAY(SELECT jsonb_array_elements(%(attributes)s))) AS given (page_id, attributes)
ON CONFLICT (tenant_id, page_id) DO UPDATE
SET attributes = excluded.attributes, version = was.version + 1, updated_at = now()
WHERE was.attributes IS DISTINCT FROM excluded.attributes
RETURNING version = 1 AS created;

-- name: campaigns
SELECT campaign_id, columns, version
FROM root.campaigns
WHERE %(after)s::text IS NULL OR campaign_id > %(after)s
ORDER BY campaign_id
LIMIT %(limit)s;

-- name: campaign
SELECT campaign_id, columns, version, (
  SELECT count(*) FROM root.campaign_rows AS r WHERE r.campaign_id = c.campaign_id
) AS total
FROM root.campaigns AS c
WHERE campaign_id = %(campaign_id)s;

-- name: campaign_rows
SELECT attributes
FROM root.campaign_rows
WHERE campaign_id = %(campaign_id)s AND position >= %(offset)s
ORDER BY position
LIMIT %(limit)s;

-- name: put_campaign
INSERT INTO root.campaigns AS was (campaign_id, columns)
VALUES (%(campaign_id)s, %(columns)s)
ON CONFLICT (tenant_id, campaign_id) DO UPDATE SET columns = excluded.columns
RETURNING xmax = 0 AS created;

-- name: put_campaign_rows
WITH cut AS (
  DELETE FROM root.campaign_rows
  WHERE campaign_id = %(campaign_id)s AND position >= %(total)s
  RETURNING 1
), put AS (
  INSERT INTO root.campaign_rows AS was (campaign_id, position, attributes)
  SELECT %(campaign_id)s, given.nth - 1 + %(offset)s, given.attributes
  FROM unnest(ARRAY(SELECT jsonb_array_elements(%(rows)s))) WITH ORDINALITY AS given (attributes, nth)
  ON CONFLICT (tenant_id, campaign_id, position) DO UPDATE
  SET attributes = excluded.attributes
  WHERE was.attributes IS DISTINCT FROM excluded.attributes
  RETURNING xmax = 0 AS created
)
SELECT
  (SELECT count(*) FROM cut) AS cut,
  (SELECT count(*) FROM put WHERE created) AS created,
  (SELECT count(*) FROM put WHERE NOT created) AS replaced;

-- name: touch_campaign
UPDATE root.campaigns SET version = version + 1, updated_at = now() WHERE campaign_id = %(campaign_id)s;

-- name: signals
SELECT signal_id, attributes FROM root.signals WHERE lead_id = %(lead_id)s ORDER BY position;

-- name: put_signals
INSERT INTO root.signals AS was (lead_id, signal_id, attributes)
SELECT given.lead_id, given.signal_id, given.attributes
FROM unnest(%(lead_id)s::text[], %(signal_id)s::text[], ARRAY(SELECT jsonb_array_elements(%(attributes)s)))
  WITH ORDINALITY AS given (lead_id, signal_id, attributes, nth)
ORDER BY given.nth
ON CONFLICT (tenant_id, lead_id, signal_id) DO UPDATE
SET attributes = excluded.attributes, version = was.version + 1, updated_at = now()
WHERE was.attributes IS DISTINCT FROM excluded.attributes
RETURNING version = 1 AS created;

-- name: claim_key
INSERT INTO root.idempotency (key, method, path, request_sha256)
VALUES (%(key)s, %(method)s, %(path)s, %(request_sha256)s)
ON CONFLICT (tenant_id, key) DO NOTHING
RETURNING key;

-- name: first_answer
SELECT method, path, request_sha256, status, headers, body FROM root.idempotency WHERE key = %(key)s;

-- name: remember
UPDATE root.idempotency SET status = %(status)s, headers = %(headers)s, body = %(body)s WHERE key = %(key)s;
