"""What plans are judged by while they are made: the same rules that the gate asks afterwards, and what parts owe."""

from __future__ import annotations

from contracts.decisions import Outcome
from contracts.errors import BadInput
from contracts.tasks import TaskPlan
from graph.context import Record
from graph.inforce import Asking
from policies.plans import problems
from policies.questions import plan_question


class GuardedPlans:
    """Satisfies ``PlanPort``. The gate after the planner decides on what comes of it; here nothing is recorded."""

    def __init__(self, record: Record, asking: Asking) -> None:
        self._record = record
        self._asking = asking

    def __call__(self, plan: TaskPlan, template: TaskPlan) -> tuple[str, ...]:
        """Return why a refined plan may not take the place of its template's; nothing if it may.

        Raises:
            BadInput: the mission was not admitted.
            ConstitutionUnverified: nobody has looked at the constitution in this run.
        """
        if self._record.envelope is None:
            raise BadInput("the mission was not admitted", code="not_admitted")
        question = plan_question(self._record.envelope, plan, research_enabled=self._asking.governance.research_enabled)
        decision = self._asking.last()(question)
        denied = decision.reasons if decision.outcome is Outcome.DENY else ()
        return (*denied, *problems(plan, template))
