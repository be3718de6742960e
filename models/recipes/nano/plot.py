"""Draw what BPO did, from the logs of both variants: plots/*.svg for the model card.

    python plot.py --run RUN --evaluation models/nano/evaluation.json --output models/nano/plots
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
# Fixed ids and no date, so that drawing again gives the same files.
matplotlib.rcParams.update({"svg.hashsalt": "nano", "svg.fonttype": "none", "font.size": 9})
from matplotlib import pyplot

VARIANTS = ["pure", "priced"]
MULTI_STEP = ["sum_numbers", "difference", "sum_bars", "text_sum", "text_sum_three", "text_difference"]
WINDOW = 8
"""Steps a curve is averaged over; one batch has only a few dozen questions."""


def records(run, variant):
    """A variant's log, one record per step; after an interruption some steps are logged twice."""
    lines = (run / f"bpo-{variant}.jsonl").read_text().splitlines()
    by_step = {record["step"]: record for record in map(json.loads, lines)}
    return [by_step[step] for step in sorted(by_step)]


def smooth(values):
    """Mean of the last WINDOW values at every point."""
    return [sum(values[max(0, i - WINDOW + 1) : i + 1]) / len(values[max(0, i - WINDOW + 1) : i + 1])
            for i in range(len(values))]


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def plot_reward(run, path):
    """Right answers of the sampled responses, and their length, over steps."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2))
    for variant, style in zip(VARIANTS, ["-", "--"]):
        batches = [r for r in records(run, variant) if "reward" in r]
        steps = [r["step"] for r in batches]
        left.plot(steps, smooth([r["reward"] for r in batches]), f"k{style}", label=f"{variant}: all")
        for mode, colour in [("think", "tab:orange"), ("direct", "tab:blue")]:
            shares = [(r["step"], r[f"{mode}_right"]["multi-step"]) for r in batches
                      if "multi-step" in r[f"{mode}_right"]]
            left.plot([s for s, _ in shares], smooth([v for _, v in shares]), style, color=colour,
                      label=f"{variant}: multi-step, {mode}")
        right.plot(steps, smooth([r["think_tokens"] for r in batches]), style, color="tab:orange",
                   label=f"{variant}: think")
        right.plot(steps, smooth([r["direct_tokens"] for r in batches]), style, color="tab:blue",
                   label=f"{variant}: direct")
    left.set(xlabel="batch of rollouts", ylabel="share of right responses", ylim=(0, 1.02))
    right.set(xlabel="batch of rollouts", ylabel="tokens per response", ylim=(0, None))
    for axes in (left, right):
        axes.legend(fontsize=7)
    save(figure, path)


def plot_think_rate(run, path):
    """p(think) per task over steps, on fixed questions no stage trains on."""
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 4.2), sharey=True)
    for variant, axes in zip(VARIANTS, panels):
        probes = [r for r in records(run, variant) if "probe" in r]
        for task in sorted(probes[0]["probe"], key=lambda t: (t not in MULTI_STEP, t)):
            multi = task in MULTI_STEP
            axes.plot([r["step"] for r in probes], [r["probe"][task][0] for r in probes],
                      color="tab:orange" if multi else "tab:blue", alpha=0.9 if multi else 0.4,
                      lw=1.4 if multi else 0.9)
        label_apart(axes, probes[-1])
        axes.axhline(0.5, color="grey", lw=0.6, ls=":")
        axes.set(title=f"BPO, {variant}", xlabel="batch of rollouts", ylim=(0, 1))
    panels[0].set(ylabel="mean p(think): orange multi-step, blue all others")
    save(figure, path)


def label_apart(axes, probe, gap=0.04):
    """Name the curves that end alone; in a bundle only the first of it can be read."""
    labelled = []
    for task, (p, _) in sorted(probe["probe"].items(), key=lambda item: item[1][0]):
        if not any(abs(p - other) < gap for other in labelled):
            bundle = sum(abs(p - other) < gap for other, _ in probe["probe"].values())
            name = task if bundle == 1 else f"{task} and {bundle - 1} near"
            axes.annotate(name, (probe["step"], p), fontsize=6, ha="right", va="bottom")
            labelled.append(p)


def plot_distribution(evaluation, path):
    """Histograms of p(think) on the held-out questions, one panel per set of weights."""
    models = evaluation["models"]
    figure, panels = pyplot.subplots(1, len(models), figsize=(2.6 * len(models), 2.8), sharey=True)
    for name, axes in zip(models, panels):
        groups = {g["group"]: g for g in models[name] if g["set"] == "questions"}
        for kind, colour in [("multi-step", "tab:orange"), ("perception", "tab:blue")]:
            tenths = groups[f"kind {kind}"]["pThink"]["tenths"]
            axes.bar([i / 10 for i in range(10)], [100 * t / sum(tenths) for t in tenths], 0.1,
                     align="edge", color=colour, alpha=0.6, label=kind)
        axes.set(title=name, xlabel="p(think)", xlim=(0, 1), ylim=(0, 100))
    panels[0].set(ylabel="% of the kind's questions")
    panels[0].legend(fontsize=7)
    save(figure, path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(exist_ok=True)
    plot_reward(arguments.run, arguments.output / "reward.svg")
    plot_think_rate(arguments.run, arguments.output / "think-rate.svg")
    plot_distribution(json.loads(arguments.evaluation.read_text()), arguments.output / "p-think.svg")


if __name__ == "__main__":
    main()
