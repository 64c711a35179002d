-- An expired question is asked again with a new deadline.
-- depends: 0001_colony
grant update (expires_at) on colony_approvals to colony_app;
