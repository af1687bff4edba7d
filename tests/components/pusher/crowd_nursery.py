"""Many processes push many models at once, out of order, and some roll back in between.

Run as a program: ``crowd_nursery.py DIRECTORY PROCESSES MODELS``. Prints what each process was
answered, and the records of the folder at the end, as one line of JSON.
"""

import datetime
import json
import multiprocessing
import random
import sys
from pathlib import Path

from pusher_workshop import Workshop

from components.records import PushedModel, Window


def window(day: int) -> Window:
    end = datetime.datetime(2013, 1, 2) + datetime.timedelta(days=day)
    return Window("2013-01-01", end.isoformat())


def work(directory, jobs, answers, seed) -> None:
    workshop, chance = Workshop(directory), random.Random(seed)
    while (day := jobs.get()) is not None:
        model = workshop.model(f"day {day}", window=window(day))
        run = workshop.run(run_id=f"day {day}")
        result = workshop.push(model, run=run, keep_versions=4)
        answers.put({"day": day, "digest": model.digest, **result.to_json()})
        live = workshop.folder.live()
        if chance.random() < 0.1 and live is not None:
            result = workshop.rollback(from_version=live.number, hold=False, run=run)
            if isinstance(result, PushedModel):
                answers.put({"rolled_back": str(live.number), **result.to_json()})
    answers.put(None)


def main() -> None:
    directory, processes, models = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    days = list(range(models))
    # Out of order, but with a drift upwards, or almost all of them would be refused as older.
    random.Random(1).shuffle(days)
    days.sort(key=lambda day: day + random.Random(day).uniform(0, models / 4))
    context = multiprocessing.get_context("fork")
    jobs, answers = context.Queue(), context.Queue()
    for day in [*days, *[None] * processes]:
        jobs.put(day)
    crowd = [
        context.Process(target=work, args=(directory, jobs, answers, seed))
        for seed in range(processes)
    ]
    for process in crowd:
        process.start()
    results, done = [], 0
    while done < processes:
        answer = answers.get(timeout=300)
        done += answer is None
        results += [answer] if answer is not None else []
    for process in crowd:
        process.join()
    folder = Workshop(directory).folder
    report = {
        "results": results,
        "exit_codes": [process.exitcode for process in crowd],
        "records": [record.to_json() for record in folder.records()],
        "names": folder.names(),
        "live": str(folder.live().number),
        "quarantine": [entry.version for entry in folder.quarantine().entries],
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
