"""One run of the demo: what is asked for, its progress on the screen, what came of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components import records
from components.records import Blessing, PushedModel, Refusal, Window
from components.serving_folder import ServingFolder
from scripts.airflow_client import ENDED, AirflowClient

DAG_ID = "flight_delays"
RUN_TIMEOUT_SECONDS = 900.0
POLL_SECONDS = 0.5
TASKS = (
    *("example_gen", "statistics_gen", "schema_gen", "example_validator"),
    *("transform", "tuner", "trainer", "evaluator", "infra_validator", "pusher", "report"),
)
WORTH_A_LINE = frozenset(
    {"running", "success", "skipped", "failed", "up_for_retry", "upstream_failed"}
)


@dataclass(frozen=True)
class Plan:
    """A run to be triggered."""

    label: str
    window: Window
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def conf(self) -> dict[str, Any]:
        """What the form of a manual trigger would send."""
        return {"window_start": self.window.start, "window_end": self.window.end, **self.params}


@dataclass(frozen=True)
class Outcome:
    """What a run left behind. Versions are those live before and after it."""

    plan: Plan
    run_id: str
    state: str
    tasks: dict[str, str]
    evaluation: Blessing | None
    infra: Blessing | None
    decision: PushedModel | Refusal | None
    live_before: str | None
    live_after: str | None


class DemoError(Exception):
    """The demo can't go on, or didn't show what it promises."""


@dataclass
class Stage:
    """Where the runs happen: one Airflow, one serving folder, one clock."""

    client: AirflowClient
    home: Path
    serving: Path
    say: Callable[[str], None]
    check_alive: Callable[[], None]

    def perform(self, plan: Plan, run_id: str) -> Outcome:
        """Trigger a run, follow it to its end, and collect what it left.

        Raises:
            DemoError: a task failed, or the run takes more than `RUN_TIMEOUT_SECONDS`.
        """
        live_before = self.live_version()
        self.client.trigger(DAG_ID, run_id, plan.conf, note=f"demo: {plan.label}")
        with self._failed_if_interrupted(run_id):
            state = self._follow(plan, run_id)
        return Outcome(
            plan=plan,
            run_id=run_id,
            state=state,
            tasks=self.client.task_states(DAG_ID, run_id),
            evaluation=self._record(run_id, "evaluator", Blessing),
            infra=self._record(run_id, "infra_validator", Blessing),
            decision=self._record(run_id, "pusher", PushedModel)
            or self._record(run_id, "pusher", Refusal, key="refusal"),
            live_before=live_before,
            live_after=self.live_version(),
        )

    def live_version(self) -> str | None:
        """Return what a model server would serve now."""
        live = ServingFolder(self.serving).live()
        return None if live is None else str(live.number)

    def _follow(self, plan: Plan, run_id: str) -> str:
        deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
        shown: dict[str, str] = {}
        while time.monotonic() < deadline:
            self.check_alive()
            state = self.client.run_state(DAG_ID, run_id)  # before the tasks: none is missed
            states = self.client.task_states(DAG_ID, run_id)
            for task in _changed(shown, states):
                self.say(f"{plan.label:<9} {task:<15} {_words(states[task])}")
            shown = states
            if state in ENDED:
                self._check_ended_well(run_id, state, states)
                return state
            time.sleep(POLL_SECONDS)
        raise DemoError(f"run {run_id} isn't done after {RUN_TIMEOUT_SECONDS:.0f} s: {shown}")

    def _check_ended_well(self, run_id: str, state: str, states: dict[str, str]) -> None:
        if state == "success":
            return
        failed = [task for task in TASKS if states.get(task) == "failed"]
        logs = self.home / "logs" / f"dag_id={DAG_ID}" / f"run_id={run_id}"
        raise DemoError(f"{', '.join(failed) or 'run ' + run_id} failed; the logs are in {logs}")

    def _record(self, run_id: str, task: str, kind: type[Any], key: str = "return_value") -> Any:
        value = self.client.xcom(DAG_ID, run_id, task, key)
        record = None if value is None else records.from_json(value)
        return record if isinstance(record, kind) else None

    @contextmanager
    def _failed_if_interrupted(self, run_id: str) -> Iterator[None]:
        """Leave no run behind that the next scheduler would go on with."""
        try:
            yield
        except BaseException:
            self.fail_unfinished()
            raise

    def fail_unfinished(self) -> None:
        """Mark runs that are queued or running, also those of an interrupted demo, as failed."""
        fail_unfinished(self.client, self.say)


def fail_unfinished(client: AirflowClient, say: Callable[[str], None]) -> list[str]:
    """Mark the runs of the demo's DAG that are queued or running as failed; return their ids."""
    runs = client.unfinished_runs(DAG_ID)
    for run_id in runs:
        say(f"{run_id} isn't finished and never will be: marked as failed")
        client.fail_run(DAG_ID, run_id)
    return runs


def _changed(shown: dict[str, str], states: dict[str, str]) -> list[str]:
    order = {task: index for index, task in enumerate(TASKS)}
    changed = [
        task for task, state in states.items() if state in WORTH_A_LINE and shown.get(task) != state
    ]
    return sorted(changed, key=lambda task: order.get(task, len(order)))


def _words(state: str) -> str:
    return {"success": "done", "up_for_retry": "failed, will be tried again"}.get(state, state)
