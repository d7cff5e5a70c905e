"""resume_test.py: a run that is killed, interrupted or out of disk ends with the bits of one that was not."""

import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import time
import unittest

from support import PlugtuneTest

KILLS = 20
LONGER = "steps = 200"


class Resume(PlugtuneTest):
    def wait_for_step(self, process, run, step):
        """Until the log has that step, or the process is over."""
        log = self.folder / run / "log.jsonl"
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and any(line.get("step", 0) >= step for line in lines(log)):
                return
            time.sleep(0.005)

    def test_killed_at_random_moments_gives_the_same_final_bits(self):
        seed = int(os.environ.get("PLUGTUNE_TEST_SEED", time.time_ns() % 10**6))
        print(f"PLUGTUNE_TEST_SEED={seed}", flush=True)
        moments = random.Random(seed)
        self.succeed("train", self.experiment("whole", length=LONGER))
        killed = self.experiment("killed", length=LONGER)
        seconds = json.loads((self.folder / "runs/whole/report.json").read_text())["seconds"]["total"]
        kills = 0
        while kills < KILLS:
            process = self.start("train", killed, "--resume")
            try:
                process.wait(timeout=moments.uniform(0, seconds / 6))
                # It came to its end between two kills: right or wrong, and from the start again.
                self.assertEqual(process.returncode, 0)
                self.assert_same_run("runs/killed", "runs/whole")
                shutil.rmtree(self.folder / "runs/killed")
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        self.succeed("train", killed, "--resume")
        self.assert_same_run("runs/killed", "runs/whole")

    def assert_same_run(self, run, expected):
        self.assertEqual(self.delta(run), self.delta(expected))
        steps = {name: [line["step"] for line in lines(self.folder / name / "log.jsonl") if "loss" in line]
                 for name in (run, expected)}
        self.assertEqual(steps[run], steps[expected])

    def test_ctrl_c_and_sigterm_write_a_checkpoint_and_say_how_to_go_on(self):
        self.succeed("train", self.experiment("whole"))
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            name = f"interrupted{code}"
            experiment = self.experiment(name)
            process = self.start("train", experiment)
            self.wait_for_step(process, f"runs/{name}", 5)
            process.send_signal(number)
            self.assertEqual(process.wait(timeout=60), code)
            self.assertIn("a checkpoint was written, go on with --resume", (self.folder / "process.log").read_text())
            self.succeed("train", experiment, "--resume")
            self.assertEqual(self.delta(f"runs/{name}"), self.delta("runs/whole"))
            seconds = json.loads((self.folder / f"runs/{name}/report.json").read_text())["seconds"]
            self.assertGreaterEqual(seconds["total"], seconds["train"] + seconds["eval"])

    def test_a_full_disk_during_a_save_loses_nothing_and_says_so(self):
        """The limit on file sizes stands for the disk: writing past it fails in the same place."""
        self.succeed("train", self.experiment("whole"))
        experiment = self.experiment("full")
        process = self.start("train", experiment)
        self.wait_for_step(process, "runs/full", 5)
        process.send_signal(signal.SIGTERM)
        process.wait()

        def no_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

        before = sorted((self.folder / "runs/full/checkpoints").iterdir())
        result = self.run_program("train", experiment, "--resume", preexec_fn=no_room)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("nothing was lost, the checkpoints before it are kept", result.stderr)
        self.assertEqual(sorted((self.folder / "runs/full/checkpoints").iterdir()), before)
        self.succeed("train", experiment, "--resume")
        self.assertEqual(self.delta("runs/full"), self.delta("runs/whole"))

    def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(self):
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            self.succeed("train", self.experiment(name), "--set", f"run.seed={seed}")
        self.assertEqual(self.delta("runs/a"), self.delta("runs/b"))
        self.assertNotEqual(self.delta("runs/a"), self.delta("runs/c"))

    def test_what_a_strategy_sets_between_steps_stays_in_bf16_and_over_an_interruption(self):
        """AdaLoRA drops values of its triplets; in bf16 the optimizer has fp32 masters behind what is dropped."""
        adalora = '[strategy]\nplugin = "adalora"\ninit_rank = 4\ntarget_rank = 1\nfinal_steps = 12\nalpha = 48\n'
        for precision in ("fp32", "bf16"):
            settings = f'precision = "{precision}"'
            self.succeed("train", self.experiment(f"whole-{precision}", adalora, settings))
            values = [value for name, value in self.values(f"runs/whole-{precision}").items() if name.endswith(".e")]
            singular = [triplet for value in values for (triplet,) in struct.iter_unpack("<f", value)]
            self.assertEqual(len(singular), 4 * len(values))
            self.assertEqual(len([triplet for triplet in singular if triplet != 0]), len(values))
            experiment = self.experiment(f"stopped-{precision}", adalora, settings)
            process = self.start("train", experiment)
            self.wait_for_step(process, f"runs/stopped-{precision}", 20)
            process.send_signal(signal.SIGTERM)
            process.wait()
            self.succeed("train", experiment, "--resume")
            self.assertEqual(self.delta(f"runs/stopped-{precision}"), self.delta(f"runs/whole-{precision}"))

    def test_the_resolved_experiment_of_a_run_gives_the_same_bits(self):
        self.succeed("train", self.experiment("first"))
        self.succeed("train", "runs/first/experiment.toml", "--output", "runs/again")
        self.assertEqual(self.delta("runs/again"), self.delta("runs/first"))


def lines(path):
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            pass  # the last line of a killed run
    return found


if __name__ == "__main__":
    unittest.main()
