-- What hands out missions takes the graph's version now; its older forms, which the service could still call, go.
-- depends: 0033_ledgers
set local role colony_system;
drop function colony_runnable(int);
drop function colony_overdue_approvals(int);
reset role;
