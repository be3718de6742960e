"""The one command: train models/nano from nothing on two CPU cores, and export it.

    python train.py --run RUN

Every stage is its own process with its own log in RUN and saves as it goes. Run the command
again after an interruption: finished stages return at once, an unfinished one continues.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
QUICK_STEPS = 20


def launch(run, log, script, *arguments, **environment):
    """Start a script on one core, appending its output to RUN/<log>.log."""
    output = (run / f"{log}.log").open("a")
    return subprocess.Popen(
        [sys.executable, HERE / script, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=output, stderr=subprocess.STDOUT,
    )


def finish(*processes):
    """Wait for processes that run side by side; if one fails, stop the others and give up."""
    try:
        for process in processes:
            if process.wait() != 0:
                sys.exit(f"{process.args[1]} failed; see the logs in the run folder")
    finally:
        for process in processes:
            process.kill()


def on_two_ranks(run, log, script, *arguments):
    """Run a stage that averages gradients over two processes."""
    rendezvous = run / "rendezvous"
    rendezvous.unlink(missing_ok=True)
    finish(*(
        launch(run, f"{log}-{rank}", script, *arguments,
               RANK=str(rank), WORLD_SIZE="2", RENDEZVOUS_FILE=str(rendezvous))
        for rank in range(2)
    ))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True, help="folder for logs and checkpoints")
    parser.add_argument(
        "--quick", action="store_true",
        help="a rehearsal: every stage for a few steps, to see that the recipe runs; the model learns nothing",
    )
    options = parser.parse_args()
    run = options.run.resolve()
    run.mkdir(parents=True, exist_ok=True)
    where = ["--run", str(run)]
    train = [*where, "--steps", str(QUICK_STEPS)] if options.quick else where
    judge = [*where, "--per-task", "2"] if options.quick else where

    finish(launch(run, "tokenizer", "tokenizer.py", *where))
    finish(
        launch(run, "vision", "vision_pretrain.py", *train),
        launch(run, "decoder", "decoder_pretrain.py", *train),
    )
    finish(launch(run, "projector", "projector_align.py", *train))
    on_two_ranks(run, "anneal", "anneal.py", *train)
    on_two_ranks(run, "trial", "anneal_by_trial.py", *train)
    few = ["--steps", "2"] if options.quick else []
    finish(*(
        launch(run, f"bpo-{variant}", "bpo.py", *where, "--variant", variant, *few)
        for variant in ["pure", "priced"]
    ))
    finish(launch(run, "export", "export_checkpoint.py", *where, "--output", str(run / "checkpoint")))
    finish(launch(run, "evaluate", "evaluate.py", *judge))


if __name__ == "__main__":
    main()
