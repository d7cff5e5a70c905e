"""read_events.py RUN: the scalars of a run as TensorBoard itself reads them, as JSON: {tag: [[step, value], ...]}.

Runs in the environment of `scripts/peers.sh tensorboard`. Both of its readers: the event file loader, which must find no broken
record, and the accumulator, whose numbers are printed."""

import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader


def main():
    run = sys.argv[1]
    for file in sorted(pathlib.Path(run).glob("events.out.tfevents.*")):
        assert sum(1 for _ in RawEventFileLoader(str(file)).Load()) > 0, file
    events = EventAccumulator(run, size_guidance={"scalars": 0})
    events.Reload()
    print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}))


if __name__ == "__main__":
    main()
