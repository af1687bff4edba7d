"""### Penguins: of which species is one?

The smallest pipeline, for reading: five tasks, wired by hand. A model is published only if it knows
nine of ten penguins that it wasn't trained on, is no worse than the one that is live, and answers
in a model server. For data that are judged first, see `flight_delays`.

The data: `python -m models.penguin.data --output $AIRFLOW_HOME/data/penguins.parquet`.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from operators import (
    EvaluatorOperator,
    ExampleGenOperator,
    InfraValidatorOperator,
    PusherOperator,
    TrainerOperator,
    settings,
)
from operators.model_asset import model_asset
from operators.pipeline import DEFAULT_ARGUMENTS

# The data have no times: the window says of when they are, and orders what is published.
DATE = {"type": "string", "format": "date-time", "section": "Data"}
PARAMS = {
    "window_start": Param(
        "2007-01-01T00:00:00Z",
        **DATE,
        title="Window start",
        description="First moment of the data.",
    ),
    "window_end": Param(
        "2010-01-01T00:00:00Z", **DATE, title="Window end", description="First moment after them."
    ),
}

with DAG(
    dag_id="penguin",
    schedule=None,
    default_args={**DEFAULT_ARGUMENTS, "execution_timeout": timedelta(minutes=30)},
    params=PARAMS,
    tags=["imprimatur", "example"],
    doc_md=__doc__,
):
    examples = ExampleGenOperator(
        task_id="example_gen",
        source=str(settings.data_root() / "penguins.parquet"),
    )
    trainer = TrainerOperator(
        task_id="trainer",
        module_file="models/penguin/module.py",
        examples=examples.output,
        train_args={"num_steps": 300},
    )
    evaluator = EvaluatorOperator(
        task_id="evaluator",
        model=trainer.output,
        examples=examples.output,
        eval_config="models/penguin/eval_config.json",
    )
    infra_validator = InfraValidatorOperator(
        task_id="infra_validator",
        model=trainer.output,
        examples=examples.output,
        serving_spec={"local_process": {}},
    )
    PusherOperator(  # to IMPRIMATUR_SERVING_ROOT/penguin
        task_id="pusher",
        model=trainer.output,
        blessings=[evaluator.output, infra_validator.output],
        outlets=[model_asset("penguin")],
    )
