-- Which tier a model call went to, who counted its tokens and what went wrong; tokens set aside for calls under way.
-- depends: 0003_langgraph
alter table colony_budgets add column tokens_reserved bigint not null default 0 check (tokens_reserved >= 0);
alter table colony_model_calls
  add column tier text not null default 'tier_local_private',
  add column usage_source text not null default 'provider' check (usage_source in ('provider', 'counted', 'none')),
  add column reason text;
