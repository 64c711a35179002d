-- Who prunes a mission's checkpoints passes the fence, which looks at threads and holds them.
-- depends: 0027_sdk_threads
grant select, update (updated_at) on colony_threads to colony_pruner;
