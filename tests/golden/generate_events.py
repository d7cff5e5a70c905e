"""generate_events.py: an event file as TensorBoard's own messages and record writer make it (environment tensorboard).

Writes events/golden.tfevents and events/case.json, the numbers in it."""

import io
import json
import pathlib

import tensorboard
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

FOLDER = pathlib.Path(__file__).parent / "events"
STEPS = [  # zero, a negative number, what is not finite, a long tag, a step that takes several bytes
    {"step": 1, "scalars": [["train/loss", 0.6931472], ["train/learning_rate", 5e-5], ["train/accuracy", 0.0]]},
    {"step": 300, "scalars": [["eval/accuracy", 0.875], ["eval/pearson", -0.25], ["x" * 200, 1e30]]},
    {"step": 2**40, "scalars": [["손실", 3.0], ["train/grad_norm", float("inf")]]},
]
WALL_TIME = 1795814407.25
RESTART_STEP = 301


def main():
    FOLDER.mkdir(exist_ok=True)
    events = [Event(wall_time=WALL_TIME, file_version="brain.Event:2")]
    for entry in STEPS:
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in entry["scalars"]]
        events.append(Event(wall_time=WALL_TIME, step=entry["step"], summary=Summary(value=values)))
    events.append(Event(wall_time=WALL_TIME, step=RESTART_STEP, session_log=SessionLog(status=SessionLog.START)))
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in events:
        writer.write(event.SerializeToString())
    (FOLDER / "golden.tfevents").write_bytes(buffer.getvalue())
    case = {
        "about": "an event file by tensorboard: version, three steps, a restart",
        "versions": {"tensorboard": tensorboard.__version__},
        "wall_time": WALL_TIME,
        "restart_step": RESTART_STEP,
        # JSON has no infinity: a string, which the test reads as one.
        "steps": [{"step": e["step"], "scalars": [[t, v if v < float("inf") else "inf"] for t, v in e["scalars"]]} for e in STEPS],
    }
    (FOLDER / "case.json").write_text(json.dumps(case, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
